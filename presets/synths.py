"""Synths by name: where a plugin and its banks are, its presets, and the hashes that identify it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from manifests.canonical import sha256_file
from manifests.vocabulary import BadInput
from presets.amsynth_bank import bank_name, read_bank
from presets.builtin_bank import random_parameters, read_named
from presets.profile import Profile, load_profile

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Preset:
    """One preset: `address` finds it again, `parameters` are all values in the plugin's own units."""

    address: str
    name: str
    parameters: dict[str, float]
    bank_sha256: str


@dataclass(frozen=True)
class Synth:
    """A synth found on this machine. Cheap to pickle; equal where plugin and profile are equal."""

    name: str
    plugin_path: Path
    plugin_sha256: str

    @property
    def profile(self) -> Profile:
        return _profile(self.name)

    @property
    def deterministic(self) -> bool:
        """The profile says that renders repeat bit for bit."""
        return self.profile.deterministic

    @property
    def has_random_presets(self) -> bool:
        """There are endless seeded presets besides the banks."""
        return self.profile.kind == "faust"

    def presets(self) -> list[Preset]:
        """Every preset of every bank, in a stable order."""
        return list(_presets(self.name))

    def random_preset(self, seed: int, index: int) -> Preset:
        """Preset `index` of the endless seeded ones; BadInput for a synth that has none."""
        if not self.has_random_presets:
            raise BadInput(f"synth {self.name}: has no random presets; take them from its banks")
        values = self.profile.complete(random_parameters(seed, index))
        # Parameters and address say it all: no bank file stands behind a random preset.
        return Preset(f"random/{seed}/{index:06d}", f"random {seed}/{index}", values, self.profile.sha256())

    def preset(self, address: str) -> Preset:
        """The preset at an address such as `BriansBank01/012`; BadInput says what is expected."""
        parts = address.split("/")
        if self.has_random_presets and len(parts) == 3 and parts[0] == "random":
            if parts[1].removeprefix("-").isdigit() and parts[2].isdigit():
                return self.random_preset(int(parts[1]), int(parts[2]))
        elif address in (found := _by_address(self.name)):
            return found[address]
        example = next(iter(_by_address(self.name)), "none there")
        raise BadInput(
            f"preset {address!r}: {self.name} has none there; expected an address such as {example!r}"
            f" (`python -m presets list {self.name}`)"
        )

    def fingerprint(self) -> dict[str, str]:
        """The hashes that decide what this synth's presets sound like: plugin, profile, banks, host."""
        hashes = {f"bank/{bank_name(path)}": sha256_file(path) for path in _bank_files(self.name)}
        return {
            "plugin": self.plugin_sha256,
            "profile": self.profile.sha256(),
            "host": f"dawdreamer {_dawdreamer_version()}",
            **hashes,
        }


def open_synth(name: str, plugin: Path | None = None) -> Synth:
    """The synth called `name`, its plugin at `plugin` or where its profile says; BadInput if missing."""
    profile = load_profile(name)
    paths = [plugin] if plugin is not None else _usual_paths(profile)
    for path in paths:
        if path.is_file():
            return Synth(name, path.resolve(), sha256_file(path))
    tried = ", ".join(str(path) for path in paths)
    raise BadInput(f"synth {name}: its plugin is missing, tried {tried}; {profile.install or 'reinstall'}")


def installed(name: str) -> bool:
    """Whether the synth's plugin is where its profile says."""
    return any(path.is_file() for path in _usual_paths(load_profile(name)))


def _usual_paths(profile: Profile) -> list[Path]:
    return [HERE / path for path in (profile.plugin, *profile.also_tried)]


@lru_cache
def _profile(name: str) -> Profile:
    return load_profile(name)


def _dawdreamer_version() -> str:
    try:
        return version("dawdreamer")
    except PackageNotFoundError:
        return "not installed"


def _bank_files(name: str) -> list[Path]:
    place = HERE / _profile(name).banks
    return [place] if place.is_file() else sorted(place.glob("*.bank"))


@lru_cache
def _presets(name: str) -> tuple[Preset, ...]:
    profile = _profile(name)
    presets = []
    for path in _bank_files(name):
        sha256 = sha256_file(path)
        if profile.kind == "faust":
            for key, values in read_named(path, profile).items():
                presets.append(Preset(f"named/{key}", key, profile.complete(values), sha256))
        else:
            bank = bank_name(path)
            for index, (preset, values) in enumerate(read_bank(path)):
                address = f"{bank}/{index:03d}"
                presets.append(Preset(address, f"{bank} {preset}", profile.complete(values), sha256))
    return tuple(presets)


@lru_cache
def _by_address(name: str) -> dict[str, Preset]:
    return {preset.address: preset for preset in _presets(name)}
