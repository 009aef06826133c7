"""Measures an unknown plugin: repeatability, warm-up, state left by earlier notes, envelope parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from manifests.types import Curve, InputError, Note, curve_of
from presets.analysis.levels import frame_levels_db
from presets.host.client import GroupFailure, GroupJob, MachineFailure, SnapshotHost, Take
from presets.host.plugin_parameters import PluginParameter, probe_plugin
from presets.synths.envelope_map import CubicLaw, LinearLaw, TableLaw
from presets.synths.plugin_file import plugin_sha256
from presets.synths.profile import Profile
from presets.synths.synth import Synth

F32 = npt.NDArray[np.float32]

RATE = 44100
VELOCITY, MIDDLE_C = 100, 60
"""The velocity of all notes but those that vary it, and the key on which repeats and traces are measured."""
STRAIGHT = 0.3
"""Segments with a smaller constant are drafted as straight."""
REPEATS = 5
"""The number of renders that the warm-up is measured on."""
SAME_DB = 0.5
"""Frame levels that differ by at most this count as equal when the warm-up is measured."""

StageName = Literal["attack", "decay", "sustain", "release"]


@dataclass(frozen=True)
class Dependence:
    """Says that a stage's times depend on something besides their parameter.

    `points` are (value, factor): the times at that value over those of the main condition, the median of some
    parameter values. `on` is "key" (MIDI), "velocity", or "sustain" (level 0..1).
    """

    on: Literal["key", "velocity", "sustain"]
    points: tuple[tuple[float, float], ...]

    @property
    def strength(self) -> float:
        """The largest deviation of a factor from 1."""
        return max(abs(factor - 1.0) for _, factor in self.points)


@dataclass(frozen=True)
class StageLaw:
    """Holds the measurement of one envelope stage: points (value, ms or level) and the fitted law."""

    parameter: str
    points: tuple[tuple[float, float], ...]
    law: LinearLaw | CubicLaw | TableLaw | None
    constant: float | None
    """Median constant of its segments (`manifests.synthesis.envelope`); None for the sustain level."""
    residual: float
    """Largest mean deviation of a measured segment from its fitted shape, as a share of its way."""
    missed: tuple[str, ...]
    """Why values could not be measured, one line each."""
    dependences: tuple[Dependence, ...] = ()


@dataclass
class Calibration:
    """Holds the measurements of a plugin; `presets.calibration.draft` writes them as a profile.

    `repeats_within` and `repeats_across` say whether renders are bit-identical within one process and between
    two. `warm_up_renders` first renders differ from later ones. `bleed_db` is the change that an earlier note
    causes, in dB re the note's level; None if it causes none.
    """

    plugin: Path
    kind: Literal["vst2", "vst3"]
    parameters: list[PluginParameter]
    needs_display: bool = False
    isolation: Literal["fork", "process"] = "fork"
    repeats_within: bool = False
    repeats_across: bool = False
    warm_up_renders: int = 0
    bleed_db: float | None = None
    silent: bool = False
    limited: bool = False
    """The level stops rising with the sustain value: a limiter or distortion biases all measurements."""
    voice_spread_db: float | None = None
    """How much one render's level differs from the next, without an end: voices differ from each other."""
    stages: dict[StageName, StageLaw] = field(default_factory=dict)

    @property
    def shape(self) -> Curve:
        """The constants of attack, decay and release; straight where none was measured."""
        named: tuple[StageName, ...] = ("attack", "decay", "release")
        found = [self.stages[name].constant if name in self.stages else None for name in named]
        return curve_of(*(0.0 if k is None or abs(k) < STRAIGHT else k for k in found))


class PluginBench:
    """Hosts a plugin that has no profile, for measuring it; `calibration` collects the results.

    `fixed` are parameter values (0..1) that every render uses; `pitch` is the MIDI note played.

    Raises MachineFailure if the plugin does not open, InputError if `fixed` names an unknown parameter.

    Example::

        bench = PluginBench(Path("synth.so"), "vst2", {}, 60)
        measure_behaviour(bench)
        print(bench.calibration.warm_up_renders)
    """

    def __init__(self, plugin: Path, kind: Literal["vst2", "vst3"], fixed: dict[str, float], pitch: int):
        facts = probe_plugin(kind, plugin)
        self.calibration = Calibration(
            plugin, kind, list(facts.parameters), needs_display=facts.needs_display
        )
        names = [parameter.name for parameter in self.calibration.parameters]
        for name in fixed:
            self.check(name, names)
        self.fixed, self.pitch = fixed, pitch
        self.names = names
        # Behaviour not measured yet gets the profile's simplest values.
        self.profile = Profile(
            name=plugin.stem,
            kind=kind,
            plugin=plugin.resolve(),
            deterministic=False,
            warm_up_s=0.0,
            needs_display=facts.needs_display,
            parameters={p.name: (0.0, 1.0, min(max(p.value, 0.0), 1.0)) for p in self.calibration.parameters},
        )
        self.sha256 = plugin_sha256(plugin)

    @staticmethod
    def check(name: str, names: list[str]) -> None:
        """Raises InputError if the plugin has no parameter of that name."""
        if name not in names:
            some = ", ".join(repr(other) for other in names[:60])
            raise InputError(f"parameter {name!r}: the plugin has none of that name; it has {some}")

    def host(self, warm_up_s: float = 0.2) -> SnapshotHost:
        """Creates a host with the isolation measured so far."""
        profile = self.profile.model_copy(
            update={"warm_up_s": warm_up_s, "isolation": self.calibration.isolation}
        )
        return SnapshotHost(_Bare(profile.name, profile.plugin, self.sha256, known=profile), rate=RATE)

    def job(
        self,
        values: dict[str, float],
        held_s: float,
        seconds: float,
        pitch: int | None = None,
        velocity: int = VELOCITY,
    ) -> GroupJob:
        """Creates a render of one note held for `held_s`, `seconds` long, with parameter `values` (0..1)."""
        note = Note(0.0, held_s, self.pitch if pitch is None else pitch, velocity)
        return GroupJob({**self.fixed, **values}, (note,), seconds)


@dataclass(frozen=True)
class _Bare(Synth):
    """A synth whose profile is given as an object instead of read from a file."""

    known: Profile | None = None

    @property
    def profile(self) -> Profile:
        assert self.known is not None
        return self.known


def measure_behaviour(bench: PluginBench) -> None:
    """Measures isolation, repeatability, warm-up and bleed, and stores them in `bench.calibration`.

    Raises MachineFailure if the plugin cannot be hosted.
    """
    calibration = bench.calibration
    job = bench.job({}, 0.5, 1.0, MIDDLE_C)
    for isolation in ("fork", "process"):
        calibration.isolation = isolation
        try:
            with bench.host() as first, bench.host() as second:
                here, again, there = first.render(job), first.render(job), second.render(job)
                break
        except GroupFailure as failure:
            if isolation == "process":
                raise MachineFailure(f"{calibration.plugin}: cannot play a note: {failure}") from None
    calibration.silent = float(np.abs(here).max(initial=0.0)) < 1e-4
    calibration.repeats_within = bool(np.array_equal(here, again))
    calibration.repeats_across = bool(np.array_equal(here, there))
    take = Take(bench.fixed, job.notes, job.seconds)
    with bench.host(warm_up_s=0.0) as cold:
        renders = cold.render(replace(job, takes=(take,) * REPEATS))
    parts = np.array_split(renders.mean(axis=0), REPEATS)
    calibration.warm_up_renders, calibration.voice_spread_db = _warm_up(parts)
    with bench.host() as warm:
        other = Note(0.0, 0.5, MIDDLE_C + 7, VELOCITY)
        before = Take(bench.fixed, (other,), 3.0)
        used = warm.render(replace(job, takes=(before, take)))[:, -here.shape[1] :]
    difference = float(np.sqrt(np.mean((used - here) ** 2)) / max(np.sqrt(np.mean(here**2)), 1e-12))
    calibration.bleed_db = 20.0 * float(np.log10(difference)) if difference > 1e-7 else None


def _warm_up(renders: list[F32]) -> tuple[int, float | None]:
    """Counts the renders before the first one whose frame levels equal those of the next.

    If no render equals the next, they do not settle: then that is no warm-up, and the median difference is
    returned, in dB.
    """
    levels = [np.maximum(frame_levels_db(render, RATE), -60.0) for render in renders]
    steps = [float(np.abs(one - following).max()) for one, following in pairwise(levels)]
    settled = [count for count, step in enumerate(steps) if step <= SAME_DB]
    return (settled[0], None) if settled else (0, float(np.median(steps)))
