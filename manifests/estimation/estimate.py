"""The envelope heard in a sound, from the audio and the note times alone.

Neither timbre nor envelope is known, nor how loud each note is: every note's level is a free factor,
solved in closed form (variable projection). The five values are those whose gain curve, blurred by the
measuring window, is nearest to the measured short-time level in relative terms: a coarse search over
usual values, then least squares (scipy, robust loss) at a finer and finer hop, at last with each tone's
periodic power taken into account (`manifests.estimation.ripple`).

It presumes steady tones: what a tone does by itself (beating, noise, a pluck's own decay) is read as
envelope. scipy comes with the `audit` extra and is imported here only when asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt

from manifests.estimation.model import (
    WINDOW_MS,
    Measured,
    Places,
    measure,
    misfit,
    note_levels,
    predicted,
    predictions,
    window,
)
from manifests.estimation.ripple import ripple
from manifests.synthesis.envelope import F64, Envelopes, held_gain, settle_ms
from manifests.types import CURVES, Curve, Envelope, InputError, Note

COARSE_HOP_MS, MIDDLE_HOP_MS, FINE_HOP_MS = 5.0, 2.0, 0.5
_LOWEST = np.array([0.1, 0.0, 0.5, 0.0, 0.5])
_SCALE = np.array([10.0, 20.0, 50.0, 0.1, 50.0])
_STEP = np.array([0.02, 0.02, 0.02, 1e-4, 0.02])
"""Attack, hold, decay, sustain, release: lowest value, typical size, step of the finite differences."""

_INSIDE = 1e-4 * _SCALE
"""How far within its bounds a fit begins: it must not begin on them, nor a sustain of -68 dB be moved."""

_TOLERABLE = 0.1
"""Relative deviations beyond this are outliers to the robust loss."""

_STARTS = 3
"""How many of the coarse search's best are followed up, and the best of those that die away."""

_USUAL = tuple(
    np.array(list(product((5, 25, 80, 300), (0, 100), (50, 150, 500), sustains, (40, 120, 400))), dtype=float)
    for sustains in ((0.02, 0.2, 0.6, 0.95), (0.0,))
)
"""The coarse search's envelopes, those with a sustain and those without, in the order of `_LOWEST`."""

_AT_ONCE, _KEPT_POINTS = 36, 5000
"""So many usual envelopes are predicted together; of sounds no longer than this the predictions are kept."""

_RIPPLE_ROUNDS = 2
"""How often the tones' periodic power is read off with the envelope so far, and the envelope refined."""


@dataclass(frozen=True, slots=True)
class EnvelopeEstimate:
    """An estimated envelope and how far to believe it.

    `level_db` is the loudest note's RMS at full gain, dB re full scale; `residual` the median relative
    deviation of the level from the fit. A value whose flag is False was not to be heard (no note that
    long, no rest, nothing left to release) and stands as the search left it.
    """

    envelope: Envelope
    level_db: float
    residual: float
    attack_seen: bool
    decay_seen: bool
    sustain_seen: bool
    release_seen: bool


@dataclass(frozen=True, slots=True)
class LevelCurve:
    """A short-time level: `time_s` [points] and RMS `level` [points], re the sound's own full scale."""

    time_s: F64
    level: F64


def measure_gain(sound: npt.ArrayLike, rate: int, hop_ms: float = 2.0) -> LevelCurve:
    """The short-time RMS level of a whole sound [frames] under a Hann window of 25 ms, for drawing."""
    samples = _checked(sound)
    hop = max(1, round(hop_ms * rate / 1000.0))
    points = len(samples) // hop
    if points < 1:
        raise InputError(f"level of a sound: {len(samples)} frames are fewer than one hop of {hop}")
    energy = np.square(samples[: points * hop]).reshape(points, hop).mean(axis=1)
    smoothing = window(max(1, round(WINDOW_MS * rate / 1000.0 / hop)) | 1)
    half = len(smoothing) // 2
    level = np.sqrt(np.maximum(np.convolve(energy, smoothing)[half : half + points], 0.0))
    return LevelCurve((np.arange(points) + 0.5) * hop / rate, level)


def estimate_envelope(
    sound: npt.ArrayLike,
    notes: Sequence[Note],
    rate: int,
    cut_fade_ms: float,
    curve: Curve | None = "linear",
    quick: bool = False,
) -> EnvelopeEstimate:
    """The envelope that shapes every note of `sound` [frames]; of `notes` only the times are used.

    `cut_fade_ms` is the clip's own (its manifest says). `curve=None` tries both shapes and keeps the one
    that fits better. `quick` refines two starts at a middling hop and leaves it there: a third of the time,
    for scores by the thousand. InputError where there is no note or no sound, or scipy is not installed.
    """
    samples = _checked(sound)
    coarse, middle = (
        measure(samples, notes, rate, cut_fade_ms, hop) for hop in (COARSE_HOP_MS, MIDDLE_HOP_MS)
    )
    if quick:
        return _quick(coarse, middle, CURVES if curve is None else (curve,), cut_fade_ms)
    fine = measure(samples, notes, rate, cut_fade_ms, FINE_HOP_MS)
    best: tuple[float, Envelope, Measured] | None = None
    for shape in CURVES if curve is None else (curve,):
        tried = [_refine(middle, start) for start in _search(coarse, shape)]
        envelope = _refine(fine, min(tried, key=lambda pair: pair[0])[1])[1]
        for _ in range(_RIPPLE_ROUNDS):
            known = fine.power * ripple(samples, fine, envelope, rate, cut_fade_ms)
            rippled = replace(fine, power=known)
            loss, envelope = _refine(rippled, envelope)
        if best is None or loss < best[0]:
            best = (loss, envelope, rippled)
    assert best is not None
    return _judge(best[2], best[1], cut_fade_ms)


def _quick(
    coarse: Measured, middle: Measured, shapes: Sequence[Curve], cut_fade_ms: float
) -> EnvelopeEstimate:
    """The best of the coarse search and of those that die away, refined once."""
    tried = []
    for shape in shapes:
        starts = _search(coarse, shape)
        tried += [_refine(middle, start) for start in (starts[0], starts[-1])]
    return _judge(middle, min(tried, key=lambda pair: pair[0])[1], cut_fade_ms)


def _checked(sound: npt.ArrayLike) -> F64:
    samples = np.asarray(sound, dtype=np.float64)
    if samples.ndim != 1 or not np.all(np.isfinite(samples)):
        raise InputError(f"envelope estimate: expected finite samples [frames], got shape {samples.shape}")
    return samples


def _envelope(values: npt.ArrayLike, curve: Curve) -> Envelope:
    attack, hold, decay, sustain, release = (float(value) for value in np.asarray(values))
    return Envelope(attack, decay, sustain, release, hold, curve)


def _values(envelope: Envelope) -> F64:
    e = envelope
    return np.array([e.attack_ms, e.hold_ms, e.decay_ms, e.sustain, e.release_ms])


def _search(measured: Measured, curve: Curve) -> list[Envelope]:
    """The `_STARTS` best of a fixed grid of usual envelopes, and the best of those with no sustain."""

    def best(group: int, count: int) -> list[Envelope]:
        usual = _USUAL[group]
        costs = np.concatenate(
            [
                np.sum(_robust(misfit(measured, _usual(measured.places, curve, group, first))), axis=-1)
                for first in range(0, len(usual), _AT_ONCE)
            ]
        )
        return [_envelope(usual[place], curve) for place in np.argsort(costs, kind="stable")[:count]]

    return [*best(0, _STARTS), *best(1, 1)]


def _usual(places: Places, curve: Curve, group: int, first: int) -> F64:
    """What `_AT_ONCE` of the usual envelopes predict, [envelopes, points]: the same for every sound there."""
    work = _kept_usual if len(places.time_ms) <= _KEPT_POINTS else _kept_usual.__wrapped__
    return work(places, curve, group, first)


@lru_cache(maxsize=64)
def _kept_usual(places: Places, curve: Curve, group: int, first: int) -> F64:
    values = _USUAL[group][first : first + _AT_ONCE]
    return predictions(places, places.power, Envelopes.of(values, curve))


def _robust(deviation: F64) -> F64:
    """The loss of each point: square where small, linear beyond `_TOLERABLE` (scipy's soft_l1)."""
    return np.asarray(2 * _TOLERABLE**2 * (np.sqrt(1 + (deviation / _TOLERABLE) ** 2) - 1))


def _refine(measured: Measured, start: Envelope) -> tuple[float, Envelope]:
    """The least-squares fit from `start`, and its loss."""
    try:
        from scipy.optimize import least_squares
    except ModuleNotFoundError:
        raise InputError("estimating envelopes needs scipy: pip install 'triptych-audio[audit]'") from None

    longest = float(measured.places.ends.max())
    highest = np.array([longest, longest, longest, 1.0, longest])
    highest = np.maximum(highest, _LOWEST + 1.0)
    here = np.empty(0), np.empty(0)

    def all_deviations(rows: F64) -> F64:
        prediction = predictions(measured.places, measured.power, Envelopes.of(rows, start.curve))
        return misfit(measured, prediction)

    def deviations(values: F64) -> F64:
        nonlocal here
        if not np.array_equal(here[0], values):
            here = values.copy(), all_deviations(values[None])[0]
        return here[1]

    def slopes(values: F64) -> F64:
        step = np.where(values + _STEP <= highest, _STEP, -_STEP)
        moved = values + np.diag(step)
        apart = (moved - values).diagonal()
        return np.ascontiguousarray(((all_deviations(moved) - deviations(values)) / apart[:, None]).T)

    fit = least_squares(
        deviations,
        np.clip(_values(start), _LOWEST + _INSIDE, highest - _INSIDE),
        slopes,
        bounds=(_LOWEST, highest),
        x_scale=_SCALE,
        loss="soft_l1",
        f_scale=_TOLERABLE,
        xtol=1e-5,
        ftol=1e-7,
        max_nfev=60,
    )
    return float(fit.cost), _envelope(fit.x, start.curve)


def _judge(measured: Measured, envelope: Envelope, cut_fade_ms: float) -> EnvelopeEstimate:
    """The estimate with its level, residual and flags."""
    prediction = predicted(measured, envelope)
    levels = note_levels(measured, prediction)
    loudest = float(levels.max())
    heard = prediction > 0.01
    deviation = np.abs(misfit(measured, prediction))[heard]
    gates = measured.places.gates
    falls = envelope.sustain < 0.95
    # What does not fall is at its sustain once it has risen: its hold and decay could be of any length.
    settled = gates >= (settle_ms(envelope) if falls else envelope.attack_ms)
    let_go = levels * held_gain(envelope, gates) > 1.5 * measured.floor
    rings = measured.places.ends - gates >= envelope.release_ms + cut_fade_ms
    return EnvelopeEstimate(
        envelope,
        level_db=20.0 * float(np.log10(max(loudest, 1e-12))),
        residual=float(np.median(deviation)) if len(deviation) else 1.0,
        attack_seen=bool(np.any(gates >= envelope.attack_ms)),
        decay_seen=bool(np.any(settled)) and falls,
        sustain_seen=bool(np.any(settled)),
        release_seen=bool(np.any(let_go & rings)),
    )
