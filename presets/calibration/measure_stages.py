"""Measures the stages of a plugin's envelope: a law over each parameter, and what else its times depend on.

Each value is played twice, in forks of one plugin: with the stage, and with an open envelope. The gain
between them is measured every 0.5 ms (`presets.analysis.gain`), and the segment's time and constant follow
from the times at which it has gone 10%, 50% and 90% of its way. Notes are as long as the segment needs, up to
a limit. Then some values are measured again on other keys, at other velocities, and at other sustain levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from manifests.synthesis.envelope import progress
from presets.analysis.envelope_fit import fit_segment
from presets.analysis.gain import measure_gain
from presets.calibration.laws import fit_law
from presets.calibration.measure_plugin import RATE, VELOCITY, Dependence, PluginBench, StageLaw, StageName
from presets.host.client import SnapshotHost

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

POINTS = 17
"""The number of parameter values measured, evenly spread over 0..1."""
FINE_MS = 0.5
"""Window that the gain is measured with, where the plugin's waves agree: it limits the shortest times."""
FIRST_S, LONGER = 0.5, 4.0
"""Length of the first note in seconds, and how many times as long the next one is, until the segment ends."""
ARRIVED = 0.97
"""Share of its way that a segment has to go before its note ends."""
RELEASE_FROM_S = 0.3
"""How long a note is held before its release is measured."""
KEYS, VELOCITIES, SUSTAINS = (-24, 12), (40, 127), (0.0, 0.25, 0.5, 0.75, 1.0)
"""Other keys (semitones from the main one), velocities, and values of the sustain parameter."""
AGAIN = 3
"""Values of a parameter that are measured under other conditions."""
NEGLIGIBLE, NEGLIGIBLE_MS = 0.05, 1.0
"""A factor this close to 1, or a difference of so few ms, is no dependence."""
AUDIBLE = 0.02
"""A fall from a lower level, or to one less far below 1, cannot be measured."""


@dataclass(frozen=True)
class Condition:
    """What a value is measured under: MIDI key, velocity, and the value of the sustain parameter."""

    pitch: int
    velocity: int = VELOCITY
    sustain: float = 1.0


@dataclass
class _Bench:
    """The plugin, the names of the stages' parameters, and the open notes that were rendered already."""

    bench: PluginBench
    host: SnapshotHost
    parameters: dict[StageName, str]
    longest_s: float
    opened: dict[tuple[Condition, float], F32] = field(default_factory=dict)

    def values(self, sustain: float, changed: dict[StageName, float]) -> dict[str, float]:
        """Returns parameter values: an envelope that is open but for `changed`, at a sustain value."""
        plain: dict[StageName, float] = {"attack": 0.0, "decay": 0.0, "sustain": sustain, "release": 0.0}
        return {name: {**plain, **changed}[stage] for stage, name in self.parameters.items()}

    def gain(
        self, changed: dict[StageName, float], at: Condition, held_s: float, seconds: float
    ) -> tuple[F64, F64]:
        """Measures the gain of a note over the open one: times in ms and gain, float64 [points]."""
        key = (replace(at, sustain=1.0), seconds)
        if key not in self.opened:
            self.opened[key] = self._mono(self.values(1.0, {}), seconds, seconds, at)
        note = self._mono(self.values(at.sustain, changed), held_s, seconds, at)
        period_ms = 1000.0 / (440.0 * 2.0 ** ((at.pitch - 69) / 12.0))
        measured = measure_gain(note, self.opened[key], RATE, period_ms, FINE_MS)
        known = np.isfinite(measured.gain)
        return measured.time_ms[known], np.maximum(measured.gain[known], 0.0)

    def _mono(self, values: dict[str, float], held_s: float, seconds: float, at: Condition) -> F32:
        job = self.bench.job(values, held_s, seconds, at.pitch, at.velocity)
        return np.asarray(self.host.render(job).mean(axis=0), dtype=np.float32)

    def level(self, at: Condition) -> float:
        """Measures the sustain level, 0..1, under a condition."""
        time, gain = self.gain({}, at, FIRST_S, FIRST_S)
        return float(np.median(gain[time > 500.0 * FIRST_S])) if len(gain) else 0.0

    def segment(self, stage: StageName, value: float, at: Condition) -> tuple[float, float, float] | str:
        """Measures a segment's ms, constant and residual; or says why it cannot be measured."""
        level = self.level(at) if stage == "decay" else 1.0
        if stage == "decay" and 1.0 - level < AUDIBLE:
            return "its sustain level is its full level"
        seconds = min(FIRST_S, self.longest_s)
        while True:
            held_s = RELEASE_FROM_S if stage == "release" else seconds
            time, gain = self.gain({stage: value}, at, held_s, seconds + held_s * (stage == "release"))
            if not len(gain) or gain.max() < AUDIBLE:
                return "silent"
            start, way = 0.0, gain
            if stage == "decay":
                way = (1.0 - gain) / (1.0 - level)
            elif stage == "release":
                start = 1000.0 * held_s
                before = gain[(time > start - 20.0) & (time < start - 2.0)]
                if not len(before) or float(np.median(before)) < AUDIBLE:
                    return "nothing is left to release"
                way = 1.0 - gain / float(np.median(before))
            if (way[time >= start] >= ARRIVED).any():
                found = fit_segment(time, way, start, float(time[-1]))
                if found is not None:
                    ms, k = found
                    return ms, k, _residual(time - start, way, ms, k)
            if seconds >= self.longest_s:
                return f"does not end within {self.longest_s:g} s"
            seconds = min(seconds * LONGER, self.longest_s)


def measure_stages(
    bench: PluginBench, parameters: dict[StageName, str], longest_s: float
) -> Iterator[StageName]:
    """Measures envelope stages and stores them in `bench.calibration`; yields each stage when done.

    `parameters` maps a stage to the name of the parameter that sets it; segments up to `longest_s` are
    measured. Raises InputError if a parameter does not exist, and what `SnapshotHost.render` raises.

    Example: `list(measure_stages(bench, {"attack": "amp_attack"}, longest_s=5.0))`.
    """
    for name in parameters.values():
        bench.check(name, bench.names)
    with bench.host() as host:
        own = _Bench(bench, host, parameters, longest_s)
        for stage, parameter in parameters.items():
            if stage == "sustain":
                law = _sustain(own, parameter)
                bench.calibration.limited = sum(level > 0.995 for _, level in law.points) >= 3
            else:
                law = _times(own, stage, parameter)
            bench.calibration.stages[stage] = law
            yield stage


def _sustain(own: _Bench, parameter: str) -> StageLaw:
    at = Condition(own.bench.pitch)
    values = np.linspace(0.0, 1.0, POINTS).tolist()
    points = tuple((value, own.level(replace(at, sustain=value))) for value in values)
    return StageLaw(parameter, points, fit_law(points, level=True), None, 0.0, ())


def _times(own: _Bench, stage: StageName, parameter: str) -> StageLaw:
    """Measures a stage of time: its law at the main condition, and its dependences."""
    has_sustain = "sustain" in own.parameters
    main = Condition(own.bench.pitch, sustain=0.5 if stage == "decay" and has_sustain else 1.0)
    points: list[tuple[float, float]] = []
    constants, residuals, missed = [], [0.0], []
    for value in np.linspace(0.0, 1.0, POINTS).tolist():
        found = own.segment(stage, value, main)
        if isinstance(found, str):
            missed.append(f"value {value:.4g}: {found}")
            continue
        points.append((value, found[0]))
        if found[0] >= 8.0:
            constants.append(found[1])
            residuals.append(found[2])
    law = StageLaw(
        parameter,
        tuple(points),
        fit_law(tuple(points), level=False),
        float(np.median(constants)) if constants else None,
        max(residuals),
        tuple(missed),
    )
    return replace(law, dependences=tuple(_dependences(own, stage, law, main, has_sustain)))


def _dependences(
    own: _Bench, stage: StageName, law: StageLaw, main: Condition, has_sustain: bool
) -> Iterator[Dependence]:
    """Measures some values under other conditions; yields what the times depend on."""
    usable = [point for point in law.points if 10.0 <= point[1] <= 2000.0]
    places = {int(place) for place in np.linspace(0, len(usable) - 1, AGAIN)} if usable else set()
    again = [usable[place] for place in sorted(places)]
    pitches = [main.pitch + step for step in KEYS if 0 <= main.pitch + step <= 127]
    tried: list[tuple[str, list[Condition]]] = [
        ("key", [replace(main, pitch=pitch) for pitch in pitches]),
        ("velocity", [replace(main, velocity=velocity) for velocity in VELOCITIES]),
    ]
    if has_sustain and stage in ("decay", "release"):
        tried.append(("sustain", [replace(main, sustain=value) for value in SUSTAINS]))
    for on, conditions in tried:
        points = []
        for at in conditions:
            ratios = [
                (found[0] / ms, abs(found[0] - ms))
                for value, ms in again
                if not isinstance(found := own.segment(stage, value, at), str)
            ]
            if not ratios:
                continue
            where = {"key": at.pitch, "velocity": at.velocity}.get(on)
            points.append((own.level(at) if where is None else float(where), ratios))
        factors = tuple(
            (round(value, 4), round(float(np.median([factor for factor, _ in ratios])), 4))
            for value, ratios in points
        )
        apart = max((ms for _, ratios in points for _, ms in ratios), default=0.0)
        found_here = Dependence(on, tuple(sorted(dict(factors).items()))) if factors else None  # type: ignore[arg-type]
        if found_here is not None and found_here.strength > NEGLIGIBLE and apart > NEGLIGIBLE_MS:
            yield found_here


def _residual(since_ms: F64, way: F64, ms: float, k: float) -> float:
    """Returns the mean deviation of a segment's way from its fitted shape, started where it fits best."""
    inside = (since_ms >= 0.0) & (since_ms <= 1.2 * ms)
    if not inside.any() or ms <= 0.0:
        return 0.0
    late = [shift for shift in np.linspace(-2.0, 6.0, 17) if shift < ms]
    return float(
        min(np.mean(np.abs(way[inside] - progress((since_ms[inside] - shift) / ms, k))) for shift in late)
    )
