"""A synth's profile: what its parameters are called, their ranges, and which ones are pinned and why.

Profiles are small YAML files in `presets/profiles/`. A value is always in the plugin's own unit; only
`Profile.settings` turns it into what the host sends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from manifests.canonical import sha256_json
from manifests.vocabulary import BadInput
from presets.envelope_map import EnvelopeMap

FOLDER = Path(__file__).parent / "profiles"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pin(_Strict):
    """A parameter that is the same for every preset, and the reason."""

    value: float
    why: str


class Profile(_Strict):
    """One synth. `parameters` maps a name to (low, high, value where a preset does not say)."""

    name: str
    kind: Literal["faust", "vst2"]
    plugin: Path
    also_tried: tuple[Path, ...] = ()
    install: str = ""
    banks: Path
    deterministic: bool
    warm_up_s: float
    parameters: dict[str, tuple[float, float, float]]
    pinned: dict[str, Pin]
    envelope: EnvelopeMap | None = None
    """The synth's own amplitude envelope, where its laws are known: what `shaping: plugin` sets."""

    @model_validator(mode="after")
    def _values_within_ranges(self) -> Profile:
        unknown = sorted(set(self.pinned) - set(self.parameters))
        if unknown:
            raise ValueError(f"pinned parameters that do not exist: {unknown}")
        stages = self.envelope.stages() if self.envelope is not None else {}
        strange = sorted({stage.parameter for stage in stages.values()} - set(self.parameters))
        if strange:
            raise ValueError(f"envelope: parameters that do not exist: {strange}")
        for name, (low, high, value) in self.parameters.items():
            pin = self.pinned.get(name)
            if not low <= value <= high or (pin is not None and not low <= pin.value <= high):
                raise ValueError(f"parameter {name}: default or pinned value outside {low}..{high}")
        return self

    def complete(self, asked: dict[str, float]) -> dict[str, float]:
        """All parameters in the plugin's units: pins before what is asked for before defaults.

        Values outside a parameter's range are moved to its end, as the plugins do when they read a bank.
        """
        values = {}
        for name, (low, high, default) in self.parameters.items():
            pin = self.pinned.get(name)
            value = asked.get(name, default) if pin is None else pin.value
            values[name] = min(max(float(value), low), high)
        return values

    def settings(self, parameters: dict[str, float]) -> dict[str, float]:
        """What the host sends: Faust takes the units as they are, VST2 0..1 of the range."""
        if self.kind == "faust":
            return dict(parameters)
        ranges = self.parameters
        return {
            name: (value - ranges[name][0]) / (ranges[name][1] - ranges[name][0])
            for name, value in parameters.items()
        }

    def sha256(self) -> str:
        """The hash of all that this profile says about the sound; where files lie is left out."""
        audible = self.model_dump(
            mode="json", include={"name", "kind", "warm_up_s", "parameters", "pinned", "envelope"}
        )
        return sha256_json(audible)


def profile_names() -> list[str]:
    """The synths that have a profile."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_profile(name: str) -> Profile:
    """The profile called `name`; BadInput lists those there are."""
    if name not in profile_names():
        raise BadInput(f"synth {name!r}: no such profile; expected one of {', '.join(profile_names())}")
    path = FOLDER / f"{name}.yaml"
    try:
        return Profile.model_validate(yaml.safe_load(path.read_bytes()))
    except (ValidationError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: {' '.join(str(error).split())}") from None
