"""Measures an unknown plugin: repeatability, warm-up, state left by earlier notes, envelope parameters."""

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
"""The number of parameter values measured, evenly spread over 0..1."""
REPEATS = 5
"""The number of renders that the warm-up is measured on."""
SAME_DB = 0.5
"""Frame levels that differ by at most this count as equal when the warm-up is measured."""

StageName = Literal["attack", "decay", "sustain", "release"]


@dataclass(frozen=True)
class StageLaw:
    """Holds the measurement of one envelope stage: points (value, ms or level) and the fitted law."""

    parameter: str
    points: tuple[tuple[float, float], ...]
    law: LinearLaw | CubicLaw | TableLaw | None
    shape: Curve | None
    missed: int
    """Number of points not measured: the segment did not end in time, or there was no sound."""


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
    isolation: Literal["fork", "process"] = "fork"
    repeats_within: bool = False
    repeats_across: bool = False
    warm_up_renders: int = 0
    bleed_db: float | None = None
    silent: bool = False
    limited: bool = False
    """The level stops rising with the sustain value: a limiter or distortion biases all measurements."""
    stages: dict[StageName, StageLaw] = field(default_factory=dict)

    @property
    def shape(self) -> Curve:
        """The shape of most measured segments; linear if none was measured."""
        return (
            _majority_shape([stage.shape for stage in self.stages.values() if stage.shape is not None])
            or "linear"
        )


def _majority_shape(shapes: list[Curve]) -> Curve | None:
    """Returns the shape of most segments; None for no segments."""
    if not shapes:
        return None
    return "linear" if 2 * shapes.count("linear") >= len(shapes) else "exponential"


class PluginBench:
    """Hosts a plugin that has no profile, for measuring it; `calibration` collects the results.

    `fixed` are parameter values (0..1) that every render uses; `pitch` is the MIDI note played.

    Raises MachineFailure if the plugin does not open, InputError if `fixed` names an unknown parameter.

    Example::

        bench = PluginBench(Path("synth.so"), "vst2", {}, 60)
        measure_behaviour(bench)
        for stage in measure_stages(bench, {"attack": "amp_attack"}, longest_s=5.0):
            print(bench.calibration.stages[stage])
    """

    def __init__(self, plugin: Path, kind: Literal["vst2", "vst3"], fixed: dict[str, float], pitch: int):
        self.calibration = Calibration(plugin, kind, probe_parameters(kind, plugin))
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

    def job(self, values: dict[str, float], held_s: float, seconds: float) -> GroupJob:
        """Creates a render of one note held for `held_s`, `seconds` long, with parameter `values` (0..1)."""
        return GroupJob({**self.fixed, **values}, (Note(0.0, held_s, self.pitch, VELOCITY),), seconds)


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
    job = bench.job({}, 0.5, 1.0)
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
    calibration.warm_up_renders = _warm_up(np.array_split(renders.mean(axis=0), REPEATS))
    with bench.host() as warm:
        other = Note(0.0, 0.5, min(bench.pitch + 7, 127), VELOCITY)
        before = Take(bench.fixed, (other,), 3.0)
        used = warm.render(replace(job, takes=(before, take)))[:, -here.shape[1] :]
    difference = float(np.sqrt(np.mean((used - here) ** 2)) / max(np.sqrt(np.mean(here**2)), 1e-12))
    calibration.bleed_db = 20.0 * float(np.log10(difference)) if difference > 1e-7 else None


def _warm_up(renders: list[F32]) -> int:
    """Counts the renders before the first one whose frame levels equal those of the next."""
    levels = [np.maximum(frame_levels_db(render, RATE), -60.0) for render in renders]
    for count, (one, following) in enumerate(pairwise(levels)):
        if float(np.abs(one - following).max()) <= SAME_DB:
            return count
    return len(renders)


def measure_stages(
    bench: PluginBench, parameters: dict[StageName, str], longest_s: float
) -> Iterable[StageName]:
    """Measures envelope stages and stores them in `bench.calibration`; yields each stage when done.

    `parameters` maps a stage to the name of the parameter that sets it; segments up to `longest_s` are
    measured. Raises InputError if a parameter does not exist, and what `SnapshotHost.render` raises.
    """
    for name in parameters.values():
        bench.check(name, bench.names)
    neutral = {"attack": 0.0, "decay": 0.0, "sustain": 1.0, "release": 0.0}
    neutral_values = {parameter: neutral[stage] for stage, parameter in parameters.items()}
    with bench.host() as host:
        for stage, parameter in parameters.items():
            held_s = 0.5 if stage == "release" else longest_s
            seconds = held_s + (longest_s if stage == "release" else 0.0)
            # The reference holds the note to the end, so the release has a level to be compared with.
            reference = _mono(host, bench.job(neutral_values, seconds, seconds))
            others = neutral_values
            if stage in ("decay", "sustain") and "sustain" in parameters:
                others = {**neutral_values, parameters["sustain"]: 0.0}
            points: list[tuple[float, float]] = []
            shapes: list[Curve] = []
            for value in np.linspace(0.0, 1.0, POINTS).tolist():
                sound = _mono(host, bench.job({**others, parameter: value}, held_s, seconds))
                gain = gain_curve(sound, reference, RATE)
                if stage == "sustain":
                    # The last 10 ms are left out: the note may be released already.
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
                _majority_shape(shapes),
                POINTS - len(measured),
            )
            if stage == "sustain":
                bench.calibration.limited = sum(level > 0.995 for _, level in measured) >= 3
            yield stage


def _mono(host: SnapshotHost, job: GroupJob) -> F32:
    return np.asarray(host.render(job).mean(axis=0), dtype=np.float32)
