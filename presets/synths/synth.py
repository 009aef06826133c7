"""Opens a synth: locates its plugin and banks, lists its presets, and hashes what identifies it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from manifests.dataset.canonical import sha256_file
from manifests.listing import Say, settle_bad
from manifests.types import InputError
from presets.synths import zyn
from presets.synths.amsynth_bank import bank_name
from presets.synths.banks import bank_files, by_address, cached_profile, damaged, foreign, read_banks
from presets.synths.builtin_bank import random_parameters
from presets.synths.jobs import PresetState
from presets.synths.plugin_file import folder_sha256, plugin_sha256
from presets.synths.preset import Preset
from presets.synths.profile import Profile, load_profile, profile_names


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
        return cached_profile(self.source or self.name)

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

    @property
    def holds_states(self) -> bool:
        """Whether the synth's presets are files of its plugin. Raises InputError if its banks are missing."""
        return self.profile.presets == "files" and any(
            preset.state is not None for preset in read_banks(self.source or self.name).presets
        )

    def presets(
        self, skip_bad: bool = False, say: Say = lambda line: None, plugin_id: bytes | None = None
    ) -> list[Preset]:
        """Lists every preset of every bank in a stable order.

        `say` is told what is passed over. With `plugin_id`, VST2 presets of another id are bad files.
        Raises InputErrors with all files that cannot be read, unless `skip_bad` leaves them out, and
        InputError if the banks are missing.
        """
        source = self.source or self.name
        read, unusable = read_banks(source), damaged(source)
        if plugin_id is not None:
            unusable = unusable | foreign(source, plugin_id)
        for remark in read.remarks:
            say(remark)
        bad = [*read.bad, *unusable.values()]
        settle_bad(bad, len(read.presets) + len(read.bad), skip_bad, say)
        return [preset for preset in read.presets if preset.address not in unusable]

    def random_preset(self, seed: int, index: int) -> Preset:
        """Returns random preset `index` of a seed. Raises InputError if the synth has no random presets."""
        if not self.has_random_presets:
            raise InputError(f"synth {self.name}: has no random presets; take them from its banks")
        values = self.profile.complete_parameters(random_parameters(seed, index))
        # A random preset has no bank file: the profile's hash stands in its place.
        return Preset(f"random/{seed}/{index:06d}", f"random {seed}/{index}", values, self.profile.sha256())

    def preset(self, address: str) -> Preset:
        """Returns the preset at an address such as `BriansBank01/012`. Raises InputError if there is none."""
        known, parts = by_address(self.source or self.name), address.split("/")
        if self.has_random_presets and len(parts) == 3 and parts[0] == "random":
            if parts[1].removeprefix("-").isdigit() and parts[2].isdigit():
                return self.random_preset(int(parts[1]), int(parts[2]))
        elif address in known:
            return known[address]
        example = next(iter(known), "none there")
        raise InputError(
            f"preset {address!r}: {self.name} has no such preset; expected an address such as {example!r}"
            f" (`python -m presets list {self.name}`)"
        )

    def fingerprint(self) -> dict[str, str]:
        """Returns what determines the sound: hashes of plugin, profile, banks; DawDreamer's version."""
        hashes = {
            f"bank/{bank_name(path)}": folder_sha256(path) if path.is_dir() else sha256_file(path)
            for path in bank_files(self.profile)
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


def _dawdreamer_version() -> str:
    try:
        return version("dawdreamer")
    except PackageNotFoundError:
        return "not installed"
