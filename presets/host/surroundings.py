"""Checks whether a plugin is silent, or plays its default, because its data is not there (yet).

Some plugins load their samples in a thread, and a host that renders at once hears nothing. Others keep data
in the user's home folder, which a host does not show them. A profile states both: `wait_s` and `home`. Where
it does not, presets are played as they are, after a wait, and with what the user's home has under the
plugin's name.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from manifests.types import InputError, Note
from presets.analysis.fingerprint import mel_power
from presets.host.client import GroupFailure, GroupJob, SnapshotHost
from presets.host.environment import link_or_copy
from presets.synths.preset import Preset
from presets.synths.profile import Profile, profile_names
from presets.synths.synth import Synth

F64 = npt.NDArray[np.float64]

PATIENCE_S = 5.0
"""The wait, in seconds, that shows whether a plugin needs one."""
RATE = 44100
DIFFERENCE_DB = 2.0
"""Mel levels that differ by more than this in the mean, and three times what they do anyway, are others."""
DYNAMICS_DB = 60.0
PLACES = ("", ".config", ".local/share", "Documents", ".vst", ".vst3", "Music")
"""Where in a home folder plugins keep their data."""


def check_surroundings(synth: Synth, presets: Sequence[Preset], home: Path | None = None) -> None:
    """Plays a user's synth with and without a wait, and with and without data of the user's `home` (`~`).

    Profiles that come with this package, and fields that a profile states, are not checked.

    Raises InputError if a sound differs, with the field to state; MachineFailure if the plugin does not open.

    Example: `check_surroundings(synth, usable_presets(synth))`.
    """
    profile = synth.profile
    if profile.kind == "faust" or synth.source in ("", *profile_names()) or not presets:
        return
    tried = [presets[0], presets[-1]] if len(presets) > 1 else [presets[0]]
    if profile.wait_s is not None and profile.home is not None:
        return
    heard, again = _levels(synth, profile, tried), _levels(synth, profile, tried)
    if profile.wait_s is None:
        waited = _levels(synth, profile.model_copy(update={"wait_s": PATIENCE_S}), tried[-1:])
        if _differs(heard[-1:], again[-1:], waited):
            raise InputError(
                f"profile of {synth.name}: preset {tried[-1].address} {_manner(heard[-1:])}"
                f" {PATIENCE_S:g} s after it was loaded, so a thread of the plugin loads its data; state"
                f" `wait_s: {PATIENCE_S:g}` in the profile, or `wait_s: 0` if that is how it should sound"
            )
    if profile.home is None and (found := data_folders(synth, home or _own_home())):
        with tempfile.TemporaryDirectory() as folder:
            for inside, path in found.items():
                _copy_into(path, Path(folder) / inside)
            given = _levels(synth, profile.model_copy(update={"home": Path(folder)}), tried)
        if _differs(heard, again, given):
            first, path = next(iter(found.items()))
            raise InputError(
                f"profile of {synth.name}: preset {tried[0].address} {_manner(heard)} with {path} in its"
                f" home folder; copy that into a folder HOME as HOME/{first}, and state `home: HOME`"
            )


def data_folders(synth: Synth, home: Path) -> dict[str, Path]:
    """Finds files and folders of a home folder whose names are like the plugin's; by their paths within it.

    Example: `data_folders(synth, Path.home())` is {".config/Nekobi": Path("/home/me/.config/Nekobi")}.
    """
    names = {_plain(synth.name), _plain(synth.plugin_path.stem)} - {""}
    found = {}
    for place in PLACES:
        with suppress(OSError):
            for path in sorted((home / place).iterdir()):
                name = _plain(path.stem)
                if len(name) > 2 and any(name in own or own in name for own in names):
                    found[path.relative_to(home).as_posix()] = path
    return found


def _own_home() -> Path:
    """Returns the user's home folder; one that is not there for a user who has none."""
    try:
        return Path("~").expanduser()
    except RuntimeError:
        return Path("/nonexistent")


def _plain(name: str) -> str:
    """Returns a name's letters and digits, in small letters, without the endings of plugins' names."""
    return re.sub(r"[^a-z0-9]|[-_. ]?vst[23]?i?\b", "", name.lower())


def _copy_into(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        if source.is_dir():
            shutil.copytree(source, target, copy_function=link_or_copy, dirs_exist_ok=True)
        else:
            link_or_copy(os.fspath(source), os.fspath(target))


def _levels(synth: Synth, profile: Profile, presets: Sequence[Preset]) -> list[F64]:
    """Plays each preset in a host of its own profile; returns mel levels in dB, zeros where it fails."""
    levels = []
    with SnapshotHost(synth, rate=RATE, profile=profile) as host:
        for preset in presets:
            settings, state = profile.host_values(preset.parameters), synth.preset_state(preset)
            try:
                sound = host.render(
                    GroupJob(settings, (Note(0.0, 0.8, 60, 100),), 1.0, state=state, mono=True)
                )
            except GroupFailure:
                sound = np.zeros((1, RATE), dtype=np.float32)
            power = mel_power(np.nan_to_num(sound[0]), RATE)
            levels.append(10.0 * np.log10(power + 1e-6))
    return levels


def _differs(one: list[F64], again: list[F64], other: list[F64]) -> bool:
    """Returns whether a sound is another one, compared with how much it differs from itself."""
    return any(
        _distance(a, c) > max(DIFFERENCE_DB, 3.0 * _distance(a, b))
        for a, b, c in zip(one, again, other, strict=True)
    )


def _distance(one: F64, other: F64) -> float:
    """Returns the mean difference of the levels in dB, over what is within `DYNAMICS_DB` of the loudest."""
    floor = max(one.max(), other.max()) - DYNAMICS_DB
    return float(np.mean(np.abs(np.maximum(one, floor) - np.maximum(other, floor))))


def _manner(before: list[F64]) -> str:
    return "sounds only" if max(levels.max() for levels in before) < -50.0 else "sounds otherwise"
