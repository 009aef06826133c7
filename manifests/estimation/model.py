"""Measures short-time levels for the envelope estimator, and predicts them from an envelope.

Each note's samples (its span) are squared, averaged over a hop and smoothed by a window of `WINDOW_MS`.
The square root is the note's short-time level. The window spans two periods of the lowest pitches, so that
little of the waveform is left. The prediction is smoothed by the same window, so a fast attack keeps its
timing. Spans do not mix: outside its span a note counts as silence in both.

All notes lie in one array, each followed by enough zeros that the window never reaches the next note.
The points depend on the notes alone: sounds with the same notes share their `Places`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manifests.estimation.rests import WINDOWS, Rests, hear_rest
from manifests.synthesis.compose import Span, spans
from manifests.synthesis.envelope import F64, Envelopes, gain_curve, held_gain, released_gain
from manifests.types import Envelope, InputError, Note

I64 = npt.NDArray[np.int64]

WINDOW_MS = 25.0
FLOOR = 1e-3
"""Levels below this share of the loudest count as silence: weights stop growing there."""

NOISE_CEILING = 0.01
"""If the quietest level exceeds this share of the loudest, it is signal, not noise."""


def window(samples: int) -> F64:
    """Returns a Hann window of unit sum without its zeros: float64 [samples]."""
    shape = np.hanning(samples + 2)[1:-1]
    return np.asarray(shape / shape.sum())


def cut_shape(time_ms: F64, end_ms: float, cut_fade_ms: float) -> F64:
    """Returns the cut fade of a span that ends at `end_ms`: 1 before it, then a raised cosine to 0."""
    if cut_fade_ms <= 0.0:
        return np.ones_like(time_ms)
    left = np.clip((end_ms - time_ms) / cut_fade_ms, 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * left))


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The points at which the levels of a clip's notes are measured.

    Arrays of [points] run over all notes: `time_ms` after the note's onset, `gate_ms` of its note, and
    `power`: 1 within the span, the cut fade's square at its end, 0 beyond. `held` and `released` number
    the points before and after their note-off.
    Arrays of [notes]: `starts` is where a note's `counts` points begin, with the silence behind them
    `lengths`, `onsets` its first sample, `gates` and `ends` its gate and span in ms. A point is `hop`
    samples; `smoothing` is the window.
    """

    time_ms: F64
    gate_ms: F64
    power: F64
    held: I64
    released: I64
    starts: I64
    counts: I64
    lengths: I64
    onsets: I64
    gates: F64
    ends: F64
    hop: int
    smoothing: F64


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The short-time levels of a clip's notes.

    Arrays of [points]: measured `level` (noise taken out), its `weight`, and `power`, that of `places`
    times what else is known of the tones' power there. `floor` is the level that counts as silence.
    `rests` is what the rests show besides releases.
    """

    places: Places
    power: F64
    level: F64
    weight: F64
    floor: float
    rests: Rests


def _smoothed(energy: F64, smoothing: F64) -> F64:
    """Smooths energy by the window and takes the square root; the result is delayed by half a window."""
    return np.asarray(np.sqrt(np.maximum(np.convolve(energy, smoothing)[: len(energy)], 0.0)))


def measure(sound: F64, notes: Sequence[Note], rate: int, cut_fade_ms: float, hop_ms: float) -> Measured:
    """Measures the short-time levels of `sound`, float64 [frames], in each note's span, every `hop_ms`.

    Raises InputError if the sound is silent or not finite, or if no note lies within it.
    """
    hop = max(1, round(hop_ms * rate / 1000.0))
    note_spans = tuple(spans(notes, rate, len(sound))) if notes else ()
    places = places_of(note_spans, rate, cut_fade_ms, hop)
    energy = np.zeros(len(places.time_ms))
    for start, points, onset in zip(places.starts, places.counts, places.onsets, strict=True):
        square = np.square(sound[onset : onset + points * hop])
        energy[start : start + points] = square.reshape(points, hop).mean(axis=1)
    level = _smoothed(energy, places.smoothing)
    power = places.power
    loudest = float(level.max())
    if not np.isfinite(loudest) or loudest <= 0.0:
        raise InputError("envelope estimate: the sound is silent or not finite")
    quietest = float(np.quantile(level[power > 0.0], 0.02))
    noise = quietest if quietest < NOISE_CEILING * loudest else 0.0
    rests = hear_rests(places, level, cut_fade_ms, max(FLOOR * loudest, noise))
    noise = max(noise, rests.noise)
    level = np.sqrt(np.maximum(level**2 - noise**2, 0.0))
    floor = max(FLOOR * loudest, noise)
    return Measured(places, power, level, rests.counts / (level + floor), floor, rests)


def hear_rests(places: Places, level: F64, cut_fade_ms: float, floor: float) -> Rests:
    """Finds what else sounds in the rests after the notes; `floor` is the level that counts as silence."""
    counts, heard = np.ones(len(level), dtype=bool), places.ends.copy()
    interrupted = np.zeros(len(heard), dtype=bool)
    noises: list[float] = []
    rows = zip(places.starts, places.counts, places.lengths, places.gates, places.ends, strict=True)
    for note, (start, points, length, gate, end) in enumerate(rows):
        own = slice(start, start + points)
        time = places.time_ms[own]
        rest = hear_rest(level[own], time, gate, end - cut_fade_ms, WINDOW_MS, floor)
        until = rest.ended_ms
        if rest.begins_ms is not None:
            interrupted[note] = rest.begins_ms - gate < WINDOWS * WINDOW_MS
            until = gate if interrupted[note] else rest.begins_ms
            heard[note] = until
        if until is not None:
            counts[start + int(np.searchsorted(time, until)) : start + length] = False
        if rest.noise:
            noises.append(rest.noise)
    return Rests(counts, heard, interrupted, min(noises, default=0.0))


@lru_cache(maxsize=16)
def places_of(note_spans: tuple[Span, ...], rate: int, cut_fade_ms: float, hop: int) -> Places:
    """Returns the points of a sound with these spans; raises InputError if no span holds one."""
    per_ms = 1000.0 / rate
    smoothing = window(max(1, round(WINDOW_MS / (hop * per_ms))))
    silence = np.zeros(len(smoothing))
    times, gates_at, powers, rows = [], [], [], []
    at = 0
    for span in note_spans:
        points = (span.end - span.onset) // hop
        if points < 1:
            continue
        gate, end = (span.off - span.onset) * per_ms, (span.end - span.onset) * per_ms
        time = (np.arange(points, dtype=np.float64) * hop + (hop - 1) / 2) * per_ms
        times += [time, silence]
        powers += [np.square(cut_shape(time, end, cut_fade_ms)), silence]
        gates_at.append(np.full(points + len(smoothing), gate))
        rows.append((at, points, points + len(smoothing), span.onset, gate, end))
        at += points + len(smoothing)
    if not rows:
        raise InputError("envelope estimate: no note lies within the sound")
    time_ms, gate_ms = np.concatenate(times), np.concatenate(gates_at)
    starts, counts, lengths, onsets, gates, ends = (np.array(column) for column in zip(*rows, strict=True))
    return Places(
        time_ms=time_ms,
        gate_ms=gate_ms,
        power=np.concatenate(powers),
        held=np.flatnonzero(time_ms < gate_ms),
        released=np.flatnonzero(time_ms >= gate_ms),
        starts=starts,
        counts=counts,
        lengths=lengths,
        onsets=onsets,
        gates=gates,
        ends=ends,
        hop=hop,
        smoothing=smoothing,
    )


def predicted(measured: Measured, envelope: Envelope) -> F64:
    """Predicts the levels of notes of level 1 under an envelope: float64 [points]."""
    gain = gain_curve(envelope, measured.places.gate_ms, measured.places.time_ms)
    return _smoothed(gain * gain * measured.power, measured.places.smoothing)


def predictions(places: Places, power: F64, envelopes: Envelopes) -> F64:
    """Predicts a batch of envelopes, bit-identical to `predicted`: float64 [envelopes, points]."""
    gain = np.empty((len(envelopes.sustain), len(places.time_ms)))
    gain[:, places.held] = held_gain(envelopes, places.time_ms[places.held])
    gone = places.released
    gain[:, gone] = released_gain(envelopes, places.gate_ms[gone], places.time_ms[gone])
    gain *= gain
    gain *= power
    return np.stack([_smoothed(energy, places.smoothing) for energy in gain])


def note_levels(measured: Measured, prediction: F64) -> F64:
    """Fits each note's level by weighted least squares of measured on predicted: float64 [..., notes]."""
    starts = measured.places.starts
    weighted = measured.weight * prediction
    against = np.add.reduceat(measured.weight * measured.level * weighted, starts, axis=-1)
    own = np.add.reduceat(weighted * weighted, starts, axis=-1)
    return np.asarray(against / np.maximum(own, 1e-12))


def misfit(measured: Measured, prediction: F64) -> F64:
    """Returns measured minus predicted level, relative to the measured one: float64 [..., points]."""
    levels = np.repeat(note_levels(measured, prediction), measured.places.lengths, axis=-1)
    return np.asarray(measured.weight * (measured.level - levels * prediction))


def deviation_db(
    sound: npt.ArrayLike,
    notes: Sequence[Note],
    rate: int,
    cut_fade_ms: float,
    envelope: Envelope,
    hop_ms: float = 2.0,
) -> float:
    """Returns how far the levels of `sound`, float [frames], are from an envelope's: mean over time, in dB.

    The notes' levels are fitted. Levels below -40 dB of the loudest do not count. Raises InputError if the
    sound is silent or not finite, or if no note lies within it.

    Example: `deviation_db(sound, notes, 44_100, 3.0, envelope)`.
    """
    measured = measure(np.asarray(sound, dtype=np.float64), notes, rate, cut_fade_ms, hop_ms)
    prediction = predicted(measured, envelope)
    levels = np.repeat(note_levels(measured, prediction), measured.places.lengths) * prediction
    quiet = 0.01 * float(measured.level.max())
    counts = (measured.power > 0.0) & (np.maximum(measured.level, levels) > quiet) & (measured.weight > 0.0)
    off = 20.0 * np.log10((levels[counts] + quiet) / (measured.level[counts] + quiet))
    return float(np.mean(np.abs(off))) if len(off) else 0.0
