"""Synths by name: where a plugin and its banks are, its presets, and the hashes that identify it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from manifests.dataset.canonical import sha256_file
from manifests.types import InputError
from presets.synths import zyn
from presets.synths.amsynth_bank import bank_name, read_bank
from presets.synths.builtin_bank import random_parameters, read_named_presets
from presets.synths.jobs import PresetState
from presets.synths.plugin_file import folder_sha256, plugin_sha256
from presets.synths.preset_files import read_preset_folder
from presets.synths.profile import Profile, load_profile, profile_names


@dataclass(frozen=True)
class Preset:
    """One preset: `address` finds it again, `parameters` are values in the plugin's own units.

    `state` is the preset file's bytes where parameters are not enough.
    """

    address: str
    name: str
    parameters: dict[str, float]
    bank_sha256: str
    state: bytes | None = None

    def identity(self) -> dict[str, Any]:
        """What its sound depends on besides the synth: what enters the address of every group."""
        content: dict[str, Any] = {"parameters": self.parameters}
        if self.state is not None:
            content["state"] = hashlib.sha256(self.state).hexdigest()
        return content


@dataclass(frozen=True)
class Synth:
    """A synth found on this machine. Cheap to pickle; equal where plugin and profile are equal.

    `source` is what `load_profile` takes: the profile's name, or the path of a profile or a plugin.
    """

    name: str
    plugin_path: Path
    plugin_sha256: str
    source: str = ""

    @property
    def profile(self) -> Profile:
        return _profile(self.source or self.name)

    @property
    def deterministic(self) -> bool:
        """The profile says that renders repeat bit for bit."""
        return self.profile.deterministic

    def is_deterministic(self, preset: Preset) -> bool:
        """Whether renders of this preset repeat bit for bit: the profile's word, less known exceptions."""
        exception = self.profile.presets == "xiz" and preset.state and zyn.uses_padsynth(preset.state)
        return self.deterministic and not exception

    @property
    def has_random_presets(self) -> bool:
        """There are endless seeded presets besides the banks."""
        return self.profile.presets == "named"

    def preset_state(self, preset: Preset) -> PresetState | None:
        """What a host loads before it sets the preset's parameters; InputError for a damaged instrument."""
        if preset.state is None:
            return None
        profile = self.profile
        if profile.presets == "xiz":
            document = zyn.read_instrument(preset.state, profile.instrument_pins, f"preset {preset.address}")
            return PresetState("zyn", document)
        return PresetState("vstpreset" if profile.kind == "vst3" else "fxp", preset.state)

    def presets(self) -> list[Preset]:
        """Every preset of every bank, in a stable order."""
        return list(_presets(self.source or self.name))

    def random_preset(self, seed: int, index: int) -> Preset:
        """Preset `index` of the endless seeded ones; InputError for a synth that has none."""
        if not self.has_random_presets:
            raise InputError(f"synth {self.name}: has no random presets; take them from its banks")
        values = self.profile.complete_parameters(random_parameters(seed, index))
        # Parameters and address say it all: no bank file stands behind a random preset.
        return Preset(f"random/{seed}/{index:06d}", f"random {seed}/{index}", values, self.profile.sha256())

    def preset(self, address: str) -> Preset:
        """The preset at an address such as `BriansBank01/012`; InputError says what is expected."""
        parts = address.split("/")
        if self.has_random_presets and len(parts) == 3 and parts[0] == "random":
            if parts[1].removeprefix("-").isdigit() and parts[2].isdigit():
                return self.random_preset(int(parts[1]), int(parts[2]))
        elif address in (found := _by_address(self.source or self.name)):
            return found[address]
        example = next(iter(_by_address(self.source or self.name)), "none there")
        raise InputError(
            f"preset {address!r}: {self.name} has none there; expected an address such as {example!r}"
            f" (`python -m presets list {self.name}`)"
        )

    def fingerprint(self) -> dict[str, str]:
        """The hashes that decide what this synth's presets sound like: plugin, profile, banks, host."""
        hashes = {
            f"bank/{bank_name(path)}": folder_sha256(path) if path.is_dir() else sha256_file(path)
            for path in _bank_files(self.profile)
        }
        return {
            "plugin": self.plugin_sha256,
            "profile": self.profile.sha256(),
            "host": f"dawdreamer {_dawdreamer_version()}",
            **hashes,
        }


def open_synth(source: str, plugin: Path | None = None) -> Synth:
    """The synth that `source` says (see `load_profile`), its plugin at `plugin` or where its profile says.

    InputError if the plugin is missing.

    Example: `open_synth("amsynth").presets()[0].address`.
    """
    profile = load_profile(source)
    paths = [plugin] if plugin is not None else _usual_paths(profile)
    for path in paths:
        if path.exists():
            # Workers look the profile up again, wherever they are started.
            known = source if source in profile_names() else str(Path(source).resolve())
            return Synth(profile.name, path.resolve(), plugin_sha256(path), known)
    tried = ", ".join(str(path) for path in paths)
    missing = f"synth {profile.name}: its plugin is missing, tried {tried}"
    raise InputError(f"{missing}; {profile.install or 'install it, or give its path'}")


def is_installed(name: str) -> bool:
    """Whether the synth's plugin is where its profile says.

    Example: `is_installed("builtin")` is True.
    """
    return any(path.exists() for path in _usual_paths(load_profile(name)))


def _usual_paths(profile: Profile) -> list[Path]:
    return [profile.plugin, *profile.also_tried]


@lru_cache
def _profile(source: str) -> Profile:
    return load_profile(source)


def _dawdreamer_version() -> str:
    try:
        return version("dawdreamer")
    except PackageNotFoundError:
        return "not installed"


def _bank_files(profile: Profile) -> list[Path]:
    """The banks, each of which has one hash: files, or the folders directly below a folder of presets."""
    place = profile.banks
    if place is None or place.is_file():
        return [] if place is None else [place]
    if profile.presets == "amsynth-bank":
        return sorted(place.glob("*.bank"))
    return sorted(path for path in place.glob("*") if path.is_dir() or path.is_file())


@lru_cache
def _presets(source: str) -> tuple[Preset, ...]:
    profile = _profile(source)
    if profile.banks is None:
        return (
            Preset("init", f"{profile.name} as it starts", profile.overrides_for_state({}), profile.sha256()),
        )
    if profile.presets in ("xiz", "files"):
        return tuple(_from_folder(profile, profile.banks))
    presets = []
    for path in _bank_files(profile):
        sha256 = sha256_file(path)
        if profile.presets == "named":
            for key, values in read_named_presets(path, profile).items():
                presets.append(Preset(f"named/{key}", key, profile.complete_parameters(values), sha256))
        else:
            bank = bank_name(path)
            for index, (preset, values) in enumerate(read_bank(path)):
                address = f"{bank}/{index:03d}"
                presets.append(
                    Preset(address, f"{bank} {preset}", profile.complete_parameters(values), sha256)
                )
    return tuple(presets)


def _from_folder(profile: Profile, folder: Path) -> Iterator[Preset]:
    for file in read_preset_folder(folder, profile.kind, profile.presets == "xiz"):
        if unknown := sorted(set(file.values) - set(profile.parameters)):
            raise InputError(
                f"{folder}: preset {file.address}: parameter {unknown[0]!r} is not in the profile of"
                f" {profile.name}; add it to its `parameters`"
            )
        if file.state is None:
            values, data = (
                profile.complete_parameters(file.values),
                json.dumps(file.values, sort_keys=True).encode(),
            )
        else:
            values, data = profile.overrides_for_state({}), file.state[1]
        name = f"{Path(file.address).parent.name} {file.name}".strip()
        state = None if file.state is None else file.state[1]
        yield Preset(file.address, name, values, hashlib.sha256(data).hexdigest(), state)


@lru_cache
def _by_address(source: str) -> dict[str, Preset]:
    return {preset.address: preset for preset in _presets(source)}
