"""Measuring an unknown plugin: does it repeat itself, what must a host do for it, how do its times run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from manifests.types import Curve, InputError, Note
from presets.analysis.levels import frame_levels_db
from presets.calibration.laws import fit_law
from presets.calibration.segments import SHORTEST_MS, gain_curve, measure_segment
from presets.host.client import GroupFailure, GroupJob, MachineFailure, SnapshotHost, Take
from presets.host.plugin_parameters import PluginParameter, probe_parameters
from presets.synths.envelope_map import CubicLaw, LinearLaw, TableLaw
from presets.synths.plugin_file import plugin_sha256
from presets.synths.profile import Profile
from presets.synths.synth import Synth

F32 = npt.NDArray[np.float32]

RATE = 44100
VELOCITY = 100
POINTS = 17
"""How many values of a parameter are tried, evenly spread over 0..1."""
REPEATS = 5
SAME_DB = 0.5
"""Level curves this close count as the same when warm-up is judged."""

StageName = Literal["attack", "decay", "sustain", "release"]


@dataclass(frozen=True)
class StageLaw:
    """What was measured of one stage: points (value, ms or level) and the law that fits them."""

    parameter: str
    points: tuple[tuple[float, float], ...]
    law: LinearLaw | CubicLaw | TableLaw | None
    shape: Curve | None
    missed: int
    """Points that could not be measured: the segment did not end in time, or there was no sound."""


@dataclass
class Calibration:
    """All that was measured of a plugin; `presets.calibration.draft` writes it as a profile."""

    plugin: Path
    kind: Literal["vst2", "vst3"]
    parameters: list[PluginParameter]
    isolation: Literal["fork", "process"] = "fork"
    repeats_within: bool = False
    repeats_across: bool = False
    warm_up_renders: int = 0
    bleed_db: float | None = None
    silent: bool = False
    limited: bool = False
    """The level stops rising with the sustain: a limiter or distortion bends all that is measured."""
    stages: dict[StageName, StageLaw] = field(default_factory=dict)

    @property
    def shape(self) -> Curve:
        return _usual([stage.shape for stage in self.stages.values() if stage.shape is not None]) or "linear"


def _usual(shapes: list[Curve]) -> Curve | None:
    """The shape that most segments have, None for no segments."""
    if not shapes:
        return None
    return "linear" if 2 * shapes.count("linear") >= len(shapes) else "exponential"


class PluginBench:
    """A plugin of which only the parameters are known, in hosts that render one group at a time."""

    def __init__(self, plugin: Path, kind: Literal["vst2", "vst3"], fixed: dict[str, float], pitch: int):
        self.calibration = Calibration(plugin, kind, probe_parameters(kind, plugin))
        names = [parameter.name for parameter in self.calibration.parameters]
        for name in fixed:
            self.check(name, names)
        self.fixed, self.pitch = fixed, pitch
        self.names = names
        # What has not been measured yet is assumed to be the simplest.
        self.profile = Profile(
            name=plugin.stem,
            kind=kind,
            plugin=plugin.resolve(),
            deterministic=False,
            warm_up_s=0.0,
            parameters={p.name: (0.0, 1.0, min(max(p.value, 0.0), 1.0)) for p in self.calibration.parameters},
        )
        self.sha256 = plugin_sha256(plugin)

    @staticmethod
    def check(name: str, names: list[str]) -> None:
        """InputError if there is no parameter of that name."""
        if name not in names:
            some = ", ".join(repr(other) for other in names[:60])
            raise InputError(f"parameter {name!r}: the plugin has none of that name; it has {some}")

    def host(self, warm_up_s: float = 0.2) -> SnapshotHost:
        """A new host of the plugin as it is known so far."""
        profile = self.profile.model_copy(
            update={"warm_up_s": warm_up_s, "isolation": self.calibration.isolation}
        )
        return SnapshotHost(_Bare(profile.name, profile.plugin, self.sha256, known=profile), rate=RATE)

    def job(self, values: dict[str, float], held_s: float, seconds: float) -> GroupJob:
        return GroupJob({**self.fixed, **values}, (Note(0.0, held_s, self.pitch, VELOCITY),), seconds)


@dataclass(frozen=True)
class _Bare(Synth):
    """A synth whose profile is at hand instead of in a file."""

    known: Profile | None = None

    @property
    def profile(self) -> Profile:
        assert self.known is not None
        return self.known


def measure_behaviour(bench: PluginBench) -> None:
    """Measures repetition, warm-up and bleed into `bench.calibration`."""
    found = bench.calibration
    job = bench.job({}, 0.5, 1.0)
    for isolation in ("fork", "process"):
        found.isolation = isolation
        try:
            with bench.host() as first, bench.host() as second:
                here, again, there = first.render(job), first.render(job), second.render(job)
                break
        except GroupFailure as failure:
            if isolation == "process":
                raise MachineFailure(f"{found.plugin}: cannot play a note: {failure}") from None
    found.silent = float(np.abs(here).max(initial=0.0)) < 1e-4
    found.repeats_within = bool(np.array_equal(here, again))
    found.repeats_across = bool(np.array_equal(here, there))
    take = Take(bench.fixed, job.notes, job.seconds)
    with bench.host(warm_up_s=0.0) as cold:
        renders = cold.render(replace(job, takes=(take,) * REPEATS))
    found.warm_up_renders = _warm_up(np.array_split(renders.mean(axis=0), REPEATS))
    with bench.host() as warm:
        other = Note(0.0, 0.5, min(bench.pitch + 7, 127), VELOCITY)
        before = Take(bench.fixed, (other,), 3.0)
        used = warm.render(replace(job, takes=(before, take)))[:, -here.shape[1] :]
    difference = float(np.sqrt(np.mean((used - here) ** 2)) / max(np.sqrt(np.mean(here**2)), 1e-12))
    found.bleed_db = 20.0 * float(np.log10(difference)) if difference > 1e-7 else None


def _warm_up(renders: list[F32]) -> int:
    """How many renders come before the first whose level curve is that of the next one."""
    levels = [np.maximum(frame_levels_db(render, RATE), -60.0) for render in renders]
    for count, (one, following) in enumerate(pairwise(levels)):
        if float(np.abs(one - following).max()) <= SAME_DB:
            return count
    return len(renders)


def measure_stages(bench: PluginBench, asked: dict[StageName, str], longest_s: float) -> Iterable[StageName]:
    """Measures the stages asked for into `bench.calibration`; yields each as it is done."""
    for name in asked.values():
        bench.check(name, bench.names)
    still = {"attack": 0.0, "decay": 0.0, "sustain": 1.0, "release": 0.0}
    rest = {parameter: still[stage] for stage, parameter in asked.items()}
    with bench.host() as host:
        for stage, parameter in asked.items():
            held_s = 0.5 if stage == "release" else longest_s
            seconds = held_s + (longest_s if stage == "release" else 0.0)
            # The reference holds the note to the end, so that what follows a release can be told.
            reference = _mono(host, bench.job(rest, seconds, seconds))
            changed = rest
            if stage in ("decay", "sustain") and "sustain" in asked:
                changed = {**rest, asked["sustain"]: 0.0}
            points: list[tuple[float, float]] = []
            shapes: list[Curve] = []
            for value in np.linspace(0.0, 1.0, POINTS).tolist():
                sound = _mono(host, bench.job({**changed, parameter: value}, held_s, seconds))
                gain = gain_curve(sound, reference, RATE)
                if stage == "sustain":
                    # Before the last moment, where the note may be let go already.
                    middle = gain[len(gain) // 2 : -40]
                    points.append((value, float(np.nanmedian(middle))))
                elif (
                    segment := measure_segment(
                        gain, 1000.0 * held_s if stage == "release" else 0.0, rising=stage == "attack"
                    )
                ) is not None:
                    points.append((value, segment.ms))
                    if segment.ms >= SHORTEST_MS:
                        shapes.append(segment.shape)
            measured = tuple((v, m) for v, m in points if np.isfinite(m))
            bench.calibration.stages[stage] = StageLaw(
                parameter,
                measured,
                fit_law(measured, level=stage == "sustain"),
                _usual(shapes),
                POINTS - len(measured),
            )
            if stage == "sustain":
                bench.calibration.limited = sum(level > 0.995 for _, level in measured) >= 3
            yield stage


def _mono(host: SnapshotHost, job: GroupJob) -> F32:
    return np.asarray(host.render(job).mean(axis=0), dtype=np.float32)
