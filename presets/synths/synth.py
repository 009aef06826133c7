"""Opens a synth: locates its plugin and banks, lists its presets, and hashes what identifies it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from manifests.dataset.canonical import sha256_file
from manifests.listing import Say, is_litter, settle_bad, visible
from manifests.synthesis.recipe import Recipe
from manifests.synthesis.recipe_parameters import to_parameters
from manifests.types import InputError
from presets.synths import zyn
from presets.synths.amsynth_bank import bank_name, read_bank
from presets.synths.builtin_bank import random_parameters, read_named_presets
from presets.synths.jobs import PresetState
from presets.synths.plugin_file import folder_sha256, plugin_sha256
from presets.synths.preset_files import scan_preset_folder
from presets.synths.profile import Profile, load_profile, profile_names


@dataclass(frozen=True)
class Preset:
    """Describes one preset; `parameters` are values in the plugin's own units.

    `address` identifies the preset within its synth. `state` is a preset file's bytes, if it has one.
    `recipe` says how its tones are altered; the plugin knows nothing of it.
    """

    address: str
    name: str
    parameters: dict[str, float]
    bank_sha256: str
    state: bytes | None = None
    recipe: Recipe | None = None

    def identity(self) -> dict[str, Any]:
        """Returns what its sound depends on besides the synth; this enters the hash of every group."""
        content: dict[str, Any] = {"parameters": self.parameters}
        if self.state is not None:
            content["state"] = hashlib.sha256(self.state).hexdigest()
        if self.recipe is not None:
            content["altered"] = to_parameters(self.recipe)
        return content

    def stated_parameters(self) -> dict[str, float]:
        """Returns the parameters as a timbre's row states them, its recipe among them."""
        return self.parameters if self.recipe is None else self.parameters | to_parameters(self.recipe)


@dataclass(frozen=True)
class Synth:
    """Represents a synth that is installed on this machine; `open_synth` creates it. Cheap to pickle.

    `source` is the argument of `load_profile`: a profile's name, or the path of a profile or a plugin.

    Example::

        synth = open_synth("builtin")
        preset = synth.preset("named/glass-bell")
    """

    name: str
    plugin_path: Path
    plugin_sha256: str
    source: str = ""

    @property
    def profile(self) -> Profile:
        """The synth's profile, cached per process."""
        return _profile(self.source or self.name)

    @property
    def deterministic(self) -> bool:
        """Whether the profile states that renders are bit-identical."""
        return self.profile.deterministic

    def is_deterministic(self, preset: Preset) -> bool:
        """Returns whether renders of this preset are bit-identical: the profile says so, and no PADsynth."""
        is_exception = self.profile.presets == "xiz" and preset.state and zyn.uses_padsynth(preset.state)
        return self.deterministic and not is_exception

    @property
    def has_random_presets(self) -> bool:
        """Whether the synth also has an unlimited number of seeded random presets."""
        return self.profile.presets == "named"

    def preset_state(self, preset: Preset) -> PresetState | None:
        """Returns what a host loads before it sets parameters. Raises InputError if that is damaged."""
        if preset.state is None:
            return None
        profile = self.profile
        if profile.presets == "xiz":
            document = zyn.read_instrument(preset.state, profile.instrument_pins, f"preset {preset.address}")
            return PresetState("zyn", document)
        return PresetState("vstpreset" if profile.kind == "vst3" else "fxp", preset.state)

    def presets(self, skip_bad: bool = False, say: Say = lambda line: None) -> list[Preset]:
        """Lists every preset of every bank in a stable order.

        `say` is told what is passed over. Raises InputErrors with all files that cannot be read, unless
        `skip_bad` leaves them out, and InputError if the banks are missing.
        """
        source = self.source or self.name
        read, damaged = _read_banks(source), _damaged(source)
        for remark in read.remarks:
            say(remark)
        bad = [*read.bad, *damaged.values()]
        settle_bad(bad, len(read.presets) + len(read.bad), skip_bad, say)
        return [preset for preset in read.presets if preset.address not in damaged]

    def random_preset(self, seed: int, index: int) -> Preset:
        """Returns random preset `index` of a seed. Raises InputError if the synth has no random presets."""
        if not self.has_random_presets:
            raise InputError(f"synth {self.name}: has no random presets; take them from its banks")
        values = self.profile.complete_parameters(random_parameters(seed, index))
        # A random preset has no bank file: the profile's hash stands in its place.
        return Preset(f"random/{seed}/{index:06d}", f"random {seed}/{index}", values, self.profile.sha256())

    def preset(self, address: str) -> Preset:
        """Returns the preset at an address such as `BriansBank01/012`. Raises InputError if there is none."""
        parts = address.split("/")
        if self.has_random_presets and len(parts) == 3 and parts[0] == "random":
            if parts[1].removeprefix("-").isdigit() and parts[2].isdigit():
                return self.random_preset(int(parts[1]), int(parts[2]))
        elif address in (by_address := _by_address(self.source or self.name)):
            return by_address[address]
        example = next(iter(_by_address(self.source or self.name)), "none there")
        raise InputError(
            f"preset {address!r}: {self.name} has no such preset; expected an address such as {example!r}"
            f" (`python -m presets list {self.name}`)"
        )

    def fingerprint(self) -> dict[str, str]:
        """Returns what determines the sound: hashes of plugin, profile, banks; DawDreamer's version."""
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
    """Opens the synth `source` (see `load_profile`).

    The plugin is at `plugin`, or at a path that the profile lists. Raises InputError if it is missing, or the
    profile is invalid.

    Example: `open_synth("amsynth").presets()[0].address`.
    """
    profile = load_profile(source)
    paths = [plugin] if plugin is not None else _candidate_paths(profile)
    for path in paths:
        if path.exists():
            # An absolute path, because workers load the profile in other working folders.
            known = source if source in profile_names() else str(Path(source).resolve())
            return Synth(profile.name, path.resolve(), plugin_sha256(path), known)
    tried = ", ".join(str(path) for path in paths)
    missing = f"synth {profile.name}: its plugin is missing, tried {tried}"
    raise InputError(f"{missing}; {profile.install or 'install it, or give its path'}")


def is_installed(name: str) -> bool:
    """Returns whether the synth's plugin exists at a path that its profile lists.

    Example: `is_installed("builtin")` is True.
    """
    return any(path.exists() for path in _candidate_paths(load_profile(name)))


def _candidate_paths(profile: Profile) -> list[Path]:
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
    """Lists the banks, each hashed as one: files, or the top-level subfolders of a preset folder."""
    place = profile.banks
    if place is None or place.is_file():
        return [] if place is None else [place]
    if profile.presets == "amsynth-bank":
        return sorted(path for path in place.glob("*.bank") if not is_litter(path.name))
    paths = (place / name for name in visible(path.name for path in place.glob("*")))
    return [path for path in paths if path.is_dir() or path.is_file()]


@dataclass(frozen=True)
class _Banks:
    """The presets of a synth's banks, a line of text for each file that cannot be read, and remarks."""

    presets: list[Preset]
    bad: list[str]
    remarks: list[str]


@lru_cache
def _read_banks(source: str) -> _Banks:
    profile = _profile(source)
    if profile.banks is None:
        name = f"{profile.name} as it starts"
        return _Banks([Preset("init", name, profile.overrides_for_state({}), profile.sha256())], [], [])
    if profile.presets in ("xiz", "files"):
        return _from_folder(profile, profile.banks)
    banks = _Banks([], [], [])
    for path in _bank_files(profile):
        try:
            banks.presets.extend(_from_bank(profile, path))
        except InputError as error:
            banks.bad.append(str(error))
    return banks


def _from_bank(profile: Profile, path: Path) -> list[Preset]:
    sha256 = sha256_file(path)
    if profile.presets == "named":
        return [
            Preset(f"named/{key}", key, profile.complete_parameters(values), sha256)
            for key, values in read_named_presets(path, profile).items()
        ]
    bank = bank_name(path)
    return [
        Preset(f"{bank}/{index:03d}", f"{bank} {preset}", profile.complete_parameters(values), sha256)
        for index, (preset, values) in enumerate(read_bank(path))
    ]


@lru_cache
def _damaged(source: str) -> dict[str, str]:
    """Maps the addresses of presets whose bytes are damaged to a line of text."""
    if _profile(source).presets != "xiz":
        return {}
    damaged = {}
    for preset in _read_banks(source).presets:
        try:
            zyn.check_instrument(preset.state or b"", f"preset {preset.address}")
        except InputError as error:
            damaged[preset.address] = str(error)
    return damaged


def _from_folder(profile: Profile, folder: Path) -> _Banks:
    found = scan_preset_folder(folder, profile.kind, profile.presets == "xiz")
    banks = _Banks([], list(found.bad), found.remarks)
    for file in found.presets:
        if unknown := sorted(set(file.values) - set(profile.parameters)):
            banks.bad.append(
                f"{folder}: preset {file.address}: parameter {unknown[0]!r} is not in the profile of"
                f" {profile.name}; add it to its `parameters`"
            )
            continue
        if file.state is None:
            values, data = (
                profile.complete_parameters(file.values),
                json.dumps(file.values, sort_keys=True).encode(),
            )
        else:
            values, data = profile.overrides_for_state({}), file.state[1]
        name = f"{Path(file.address).parent.name} {file.name}".strip()
        state = None if file.state is None else file.state[1]
        digest = hashlib.sha256(data).hexdigest()
        banks.presets.append(Preset(file.address, name, values, digest, state))
    return banks


@lru_cache
def _by_address(source: str) -> dict[str, Preset]:
    return {preset.address: preset for preset in _read_banks(source).presets}
