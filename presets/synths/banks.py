"""Reads the banks of a synth, once per process: its presets, and what of them cannot be used."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from manifests.dataset.canonical import sha256_file
from manifests.listing import is_litter, visible
from manifests.types import InputError
from presets.synths import fxb, zyn
from presets.synths.amsynth_bank import bank_name, read_bank
from presets.synths.builtin_bank import read_named_presets
from presets.synths.preset import Preset
from presets.synths.preset_files import scan_preset_folder
from presets.synths.profile import Profile, load_profile


@lru_cache
def cached_profile(source: str) -> Profile:
    """Returns `load_profile(source)`, read once per process."""
    return load_profile(source)


def bank_files(profile: Profile) -> list[Path]:
    """Lists the banks, each hashed as one: files, or the top-level subfolders of a preset folder."""
    place = profile.banks
    if place is None or place.is_file():
        return [] if place is None else [place]
    if profile.presets == "amsynth-bank":
        return sorted(path for path in place.glob("*.bank") if not is_litter(path.name))
    paths = (place / name for name in visible(path.name for path in place.glob("*")))
    return [path for path in paths if path.is_dir() or path.is_file()]


@dataclass(frozen=True)
class Banks:
    """The presets of a synth's banks, a line of text for each file that cannot be read, and remarks."""

    presets: list[Preset]
    bad: list[str]
    remarks: list[str]


@lru_cache
def read_banks(source: str) -> Banks:
    """Reads all banks of a synth; `source` as in `load_profile`. Raises InputError if they are missing."""
    profile = cached_profile(source)
    if profile.banks is None:
        name = f"{profile.name} as it starts"
        return Banks([Preset("init", name, profile.overrides_for_state({}), profile.sha256())], [], [])
    if profile.presets in ("xiz", "files"):
        return _from_folder(profile, profile.banks)
    banks = Banks([], [], [])
    for path in bank_files(profile):
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
def damaged(source: str) -> dict[str, str]:
    """Maps the addresses of presets whose bytes are damaged to a line of text."""
    if cached_profile(source).presets != "xiz":
        return {}
    faults = {}
    for preset in read_banks(source).presets:
        try:
            zyn.check_instrument(preset.state or b"", f"preset {preset.address}")
        except InputError as error:
            faults[preset.address] = str(error)
    return faults


def foreign(source: str, plugin_id: bytes) -> dict[str, str]:
    """Maps the addresses of presets of another plugin than `plugin_id` to a line of text."""
    folder = cached_profile(source).banks
    faults = {
        preset.address: fxb.foreign(preset.state, plugin_id)
        for preset in read_banks(source).presets
        if preset.state is not None
    }
    return {address: f"{folder}/{address}: {fault}" for address, fault in faults.items() if fault}


def _from_folder(profile: Profile, folder: Path) -> Banks:
    found = scan_preset_folder(folder, profile.kind, profile.presets == "xiz")
    banks = Banks([], list(found.bad), found.remarks)
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
def by_address(source: str) -> dict[str, Preset]:
    """Maps the addresses of a synth's presets to them. Raises InputError as `read_banks`."""
    return {preset.address: preset for preset in read_banks(source).presets}
