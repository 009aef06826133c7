"""Loads a synth's profile: its parameters, their ranges, which ones are pinned and why.

Profiles are YAML files in `presets/profiles/`, or a user's own, given by path. Values are in the plugin's own
unit; only `Profile.host_values` converts them to what the host sends.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from manifests.cli.settings import first_fault
from manifests.dataset.canonical import sha256_json
from manifests.types import InputError
from presets.synths.envelope_map import EnvelopeMap
from presets.synths.plugin_file import home_sha256

PROFILE_FOLDER = Path(__file__).parents[1] / "profiles"

PLUGIN_KINDS: dict[str, Literal["vst2", "vst3"]] = {
    ".so": "vst2",
    ".dll": "vst2",
    ".vst": "vst2",
    ".vst3": "vst3",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pin(_Strict):
    """Fixes a parameter for every preset; `why` states the reason."""

    value: float
    why: str


class InstrumentPin(_Strict):
    """Fixes values in every element of that name of a ZynAddSubFX instrument; `why` states the reason."""

    element: str
    values: dict[str, int | bool]
    why: str


class Profile(_Strict):
    """Describes one synth. `parameters` maps a name to (low, high, default).

    Parameters that are not listed keep the value of the plugin or the preset.
    """

    name: str
    kind: Literal["faust", "vst2", "vst3"]
    plugin: Path
    also_tried: tuple[Path, ...] = ()
    matches: tuple[str, ...] = ()
    """Glob patterns: a plugin given by its path gets the profile whose pattern matches its file name."""
    install: str = ""
    presets: Literal["named", "amsynth-bank", "xiz", "files"] = "files"
    """The format of the presets: named parameter values, amsynth's text banks, ZynAddSubFX's instruments, or
    files of any plugin (.fxp, .vstpreset, .state, .yaml; see `presets.synths.preset_files`)."""
    banks: Path | None = None
    deterministic: bool
    """Renders are bit-identical in forks of one host and across processes."""
    isolation: Literal["fork", "process"] = "fork"
    """`fork`: a group runs in a fork of the loaded plugin; `process`: each group loads the plugin anew."""
    needs_display: bool = False
    """The plugin opens only where there is a display: the host starts an Xvfb of its own."""
    wait_s: float | None = Field(default=None, ge=0.0, le=60.0)
    """Seconds that the host waits after it loaded the plugin, and after each preset, because a thread of the
    plugin loads data. None is no wait; whether one is needed is then checked."""
    home: Path | None = None
    """A folder whose contents the host puts into the plugin's private home folder."""
    warm_up_s: float
    parameters: dict[str, tuple[float, float, float]] = {}
    pinned: dict[str, Pin] = {}
    instrument_pins: tuple[InstrumentPin, ...] = ()
    envelope: EnvelopeMap | None = None
    """The synth's own amplitude envelope, which `shaping: plugin` sets; None if its laws are unknown."""
    obeys_all_sound_off: bool = False
    """MIDI's All Sound Off ends every voice at once, so a new onset can cut the old tail in one render."""

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

    def complete_parameters(self, requested: dict[str, float]) -> dict[str, float]:
        """Returns all parameters in the plugin's units: the pin, else the requested value, else the default.

        Values are clipped to the parameter's range, as plugins do when they read a bank.
        """
        values = {}
        for name, (low, high, default) in self.parameters.items():
            pin = self.pinned.get(name)
            value = requested.get(name, default) if pin is None else pin.value
            values[name] = min(max(float(value), low), high)
        return values

    def overrides_for_state(self, requested: dict[str, float]) -> dict[str, float]:
        """Returns the parameters to set after loading a state: the requested ones and all pinned ones."""
        complete = self.complete_parameters(requested)
        return {name: complete[name] for name in complete if name in requested or name in self.pinned}

    def host_values(self, parameters: dict[str, float]) -> dict[str, float]:
        """Converts parameters to what the host sends: 0..1 of the range for plugins, unchanged for Faust.

        Example::

            settings = profile.host_values(profile.complete_parameters({"amp_attack": 0.5}))
        """
        if self.kind == "faust":
            return dict(parameters)
        ranges = self.parameters
        return {
            name: (value - ranges[name][0]) / (ranges[name][1] - ranges[name][0])
            for name, value in parameters.items()
        }

    def sha256(self) -> str:
        """Returns the hash of all fields that affect the sound; file paths are left out."""
        audible = {"name", "kind", "presets", "isolation", "warm_up_s", "parameters", "pinned", "envelope"}
        content = self.model_dump(mode="json", include=audible | {"instrument_pins", "obeys_all_sound_off"})
        # Fields of later releases enter only where they are stated: other hashes stay as they were.
        if self.wait_s:
            content["wait_s"] = self.wait_s
        if self.home is not None:
            content["home"] = home_sha256(self.home)
        return sha256_json(content)


def profile_names() -> list[str]:
    """Lists the synths that have a profile in `presets/profiles/`."""
    return sorted(path.stem for path in PROFILE_FOLDER.glob("*.yaml"))


def load_profile(source: str) -> Profile:
    """Loads a profile by name, from a profile file (.yaml), or for a plugin file.

    A plugin gets the profile whose `matches` fit its file name, else a generic one that pins nothing. Paths
    in a profile file are relative to it. Raises InputError if there is no such profile or it is invalid.

    Example::

        profile = load_profile("amsynth")
    """
    if source in profile_names():
        return _read(PROFILE_FOLDER / f"{source}.yaml", Path(__file__).parent)
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        return _read(path, path.parent)
    if path.suffix not in PLUGIN_KINDS:
        raise InputError(
            f"synth {source!r}: no such profile; expected one of {', '.join(profile_names())},"
            " a profile file (.yaml), or a plugin (.so, .dll, .vst, .vst3)"
        )
    for name in profile_names():
        profile = load_profile(name)
        if any(fnmatchcase(path.name, pattern) for pattern in profile.matches):
            return profile.model_copy(update={"plugin": path})
    return Profile(
        name=path.stem, kind=PLUGIN_KINDS[path.suffix], plugin=path, deterministic=False, warm_up_s=0.2
    )


def _read(path: Path, base: Path) -> Profile:
    try:
        profile = Profile.model_validate(yaml.safe_load(path.read_bytes()))
    except OSError as error:
        raise InputError(f"{path}: cannot read this profile ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error.errors(), 'profile')}") from None
    if profile.home is not None and not (base / profile.home).is_dir():
        raise InputError(f"{path}: home: {base / profile.home} is no folder")
    return profile.model_copy(
        update={
            "plugin": base / profile.plugin,
            "also_tried": tuple(base / other for other in profile.also_tried),
            "banks": None if profile.banks is None else base / profile.banks,
            "home": None if profile.home is None else base / profile.home,
        }
    )
