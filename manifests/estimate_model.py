"""What the envelope estimator measures, and what an envelope predicts for it.

Each note's own samples (its span) are squared, averaged over `HOP_MS` and smoothed by a window of
`WINDOW_MS`; the square root is the note's short-time level. The window spans two periods of the lowest
pitches, so what is left in it of the waveform itself is small, and since the prediction is blurred by the
very same window, nothing is lost of a fast attack's timing. Spans do not mix: beyond its own span a note
counts as silence, in the measurement and in the prediction alike.

All notes lie in one array, each followed by enough zeros that the window never reaches the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.compose import spans
from manifests.envelope import F64, gain_curve
from manifests.vocabulary import BadInput, Envelope, Note

I64 = npt.NDArray[np.int64]

WINDOW_MS = 25.0
FLOOR = 1e-3
"""Levels below this share of the loudest are not told from silence: weights stop growing there."""

NOISE_CEILING = 0.01
"""A quietest level above this share of the loudest is music, not noise."""


def window(samples: int) -> F64:
    """A Hann window of unit sum without its zeros: float64 [samples]."""
    shape = np.hanning(samples + 2)[1:-1]
    return np.asarray(shape / shape.sum())


def cut_shape(time_ms: F64, end_ms: float, cut_fade_ms: float) -> F64:
    """The cut fade of a span that ends at `end_ms`: 1 before it, to 0 by a raised cosine."""
    if cut_fade_ms <= 0.0:
        return np.ones_like(time_ms)
    left = np.clip((end_ms - time_ms) / cut_fade_ms, 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * left))


@dataclass(frozen=True, slots=True)
class Measured:
    """The short-time levels of a clip's notes, and where they were taken.

    Arrays of [points] run over all notes: `time_ms` after the note's onset, `gate_ms` of its note,
    `power` (1 within the span, the cut fade's square at its end, 0 beyond, times what else is known of the
    tone's power there), measured `level` (noise taken out) and `weight`.
    Arrays of [notes]: `starts` is where a note's `counts` points begin, `onsets` its first sample, `gates`
    and `ends` its gate and span in ms. A point is `hop` samples; `smoothing` is the window; `floor` the
    level that counts as silence.
    """

    time_ms: F64
    gate_ms: F64
    power: F64
    level: F64
    weight: F64
    starts: I64
    counts: I64
    onsets: I64
    gates: F64
    ends: F64
    hop: int
    smoothing: F64
    floor: float


def _smoothed(energy: F64, smoothing: F64) -> F64:
    """Energy under the window, as a level: the square root, delayed by half a window."""
    return np.asarray(np.sqrt(np.maximum(np.convolve(energy, smoothing)[: len(energy)], 0.0)))


def measure(sound: F64, notes: Sequence[Note], rate: int, cut_fade_ms: float, hop_ms: float) -> Measured:
    """The short-time levels of `sound` [frames] within each note's span, every `hop_ms`."""
    hop = max(1, round(hop_ms * rate / 1000.0))
    per_ms = 1000.0 / rate
    smoothing = window(max(1, round(WINDOW_MS / (hop * per_ms))))
    energies, times, gates_at, powers = [], [], [], []
    rows = []
    at = 0
    for span in spans(notes, rate, len(sound)) if notes else []:
        points = (span.end - span.onset) // hop
        if points < 1:
            continue
        square = np.square(sound[span.onset : span.onset + points * hop])
        gate, end = (span.off - span.onset) * per_ms, (span.end - span.onset) * per_ms
        time = (np.arange(points, dtype=np.float64) * hop + (hop - 1) / 2) * per_ms
        silence = np.zeros(len(smoothing))
        energies += [square.reshape(points, hop).mean(axis=1), silence]
        times += [time, silence]
        powers += [np.square(cut_shape(time, end, cut_fade_ms)), silence]
        gates_at.append(np.full(points + len(smoothing), gate))
        rows.append((at, points, span.onset, gate, end))
        at += points + len(smoothing)
    if not rows:
        raise BadInput("envelope estimate: no note lies within the sound")
    level = _smoothed(np.concatenate(energies), smoothing)
    power = np.concatenate(powers)
    loudest = float(level.max())
    if not np.isfinite(loudest) or loudest <= 0.0:
        raise BadInput("envelope estimate: the sound is silent or not finite")
    quietest = float(np.quantile(level[power > 0.0], 0.02))
    noise = quietest if quietest < NOISE_CEILING * loudest else 0.0
    level = np.sqrt(np.maximum(level**2 - noise**2, 0.0))
    floor = max(FLOOR * loudest, noise)
    starts, counts, onsets, gates, ends = (np.array(column) for column in zip(*rows, strict=True))
    return Measured(
        time_ms=np.concatenate(times),
        gate_ms=np.concatenate(gates_at),
        power=power,
        level=level,
        weight=1.0 / (level + floor),
        starts=starts,
        counts=counts,
        onsets=onsets,
        gates=gates,
        ends=ends,
        hop=hop,
        smoothing=smoothing,
        floor=floor,
    )


def predicted(measured: Measured, envelope: Envelope) -> F64:
    """The levels that `envelope` gives notes of level 1: float64 [points]."""
    gain = gain_curve(envelope, measured.gate_ms, measured.time_ms)
    return _smoothed(gain * gain * measured.power, measured.smoothing)


def note_levels(measured: Measured, prediction: F64) -> F64:
    """Each note's own level, by weighted least squares of measured on predicted: float64 [notes]."""
    weighted = measured.weight * prediction
    against = np.add.reduceat(measured.weight * measured.level * weighted, measured.starts)
    own = np.add.reduceat(weighted * weighted, measured.starts)
    return np.asarray(against / np.maximum(own, 1e-12))


def misfit(measured: Measured, envelope: Envelope) -> F64:
    """Measured less predicted level, as a share of the measured one: float64 [points]."""
    prediction = predicted(measured, envelope)
    levels = note_levels(measured, prediction)
    counts = np.diff([*measured.starts, len(prediction)])
    return measured.weight * (measured.level - np.repeat(levels, counts) * prediction)
