"""Estimates a sound's envelope from its audio and note times alone.

Timbre, envelope and note levels are unknown. Each note's level is a free factor, solved in closed form by
variable projection (Golub and Pereyra 1973). The five values minimise the relative distance between the
predicted and the measured short-time level, both smoothed by the same window. A coarse grid search comes
first, then robust least squares (scipy) at a finer and finer hop. The last fits account for each tone's
periodic power (`manifests.estimation.ripple`).

The method presumes steady tones: beating, noise or a pluck's own decay are read as envelope. scipy comes
with the `audit` extra and is imported on demand.
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
from manifests.types import CURVES, DEFAULT_CURVE, Curve, Envelope, InputError, Note

COARSE_HOP_MS, MIDDLE_HOP_MS, FINE_HOP_MS = 5.0, 2.0, 0.5
_LOWEST = np.array([0.1, 0.0, 0.5, 0.0, 0.5])
_SCALE = np.array([10.0, 20.0, 50.0, 0.1, 50.0])
_STEP = np.array([0.02, 0.02, 0.02, 1e-4, 0.02])
"""Attack, hold, decay, sustain, release: lowest value, typical size, step of the finite differences."""

_INSIDE = 1e-4 * _SCALE
"""Distance of a fit's start from its bounds: it must not start on them, nor move a sustain of -68 dB."""

_OUTLIER = 0.1
"""Relative deviations beyond this are outliers to the robust loss."""

_STARTS = 3
"""Best candidates of the coarse search that are refined, besides the best one without sustain."""

_GRID = tuple(
    np.array(list(product((5, 25, 80, 300), (0, 100), (50, 150, 500), sustains, (40, 120, 400))), dtype=float)
    for sustains in ((0.02, 0.2, 0.6, 0.95), (0.0,))
)
"""Envelopes of the coarse search, with and without sustain; columns in the order of `_LOWEST`."""

_AT_ONCE, _KEPT_POINTS = 36, 5000
"""Grid envelopes per batch of predictions, and the most points of a sound whose predictions are cached."""

_RIPPLE_ROUNDS = 2
"""Rounds of measuring the tones' periodic power with the current envelope and refining the envelope."""


@dataclass(frozen=True, slots=True)
class EnvelopeEstimate:
    """An estimated envelope with its reliability.

    `level_db` is the loudest note's RMS at full gain in dB re full scale. `residual` is the median relative
    deviation of the level from the fit. A flag is False if the sound does not show that value. Then no note
    is long enough, no rest exists, or nothing is left to release. The value is then arbitrary.
    `release_interrupted` is True if in every rest that would show the release another sound begins first.
    """

    envelope: Envelope
    level_db: float
    residual: float
    attack_seen: bool
    decay_seen: bool
    sustain_seen: bool
    release_seen: bool
    release_interrupted: bool


@dataclass(frozen=True, slots=True)
class LevelCurve:
    """A short-time level: float64 `time_s` [points] in s and RMS `level` [points] re full scale."""

    time_s: F64
    level: F64


def measure_gain(sound: npt.ArrayLike, rate: int, hop_ms: float = 2.0) -> LevelCurve:
    """Returns a sound's short-time RMS level under a Hann window of 25 ms, for plots.

    `sound` is [frames]. Raises InputError if it is not finite, not mono, or shorter than one hop.

    >>> curve = measure_gain(np.full(44_100, 0.5), 44_100)
    >>> float(curve.level[250].round(3))
    0.5
    """
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
    curve: Curve | None = DEFAULT_CURVE,
    quick: bool = False,
) -> EnvelopeEstimate:
    """Estimates the envelope that shapes every note of `sound` [frames]; uses only the times of `notes`.

    `cut_fade_ms` is the clip's, as its manifest states. `curve=None` tries all shapes and keeps the better
    fit. `quick` refines two starts at a middle hop, in a third of the time, for scoring thousands of clips.
    Raises InputError if there is no note or no sound, or scipy is not installed.

    Example: `estimate_envelope(audio, notes, 44_100, cut_fade_ms=3.0).envelope.attack_ms`.
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
    return _rate_estimate(best[2], best[1], cut_fade_ms)


def _quick(
    coarse: Measured, middle: Measured, shapes: Sequence[Curve], cut_fade_ms: float
) -> EnvelopeEstimate:
    """Refines the best grid envelopes with and without sustain once, and keeps the better one."""
    tried = []
    for shape in shapes:
        starts = _search(coarse, shape)
        tried += [_refine(middle, start) for start in (starts[0], starts[-1])]
    return _rate_estimate(middle, min(tried, key=lambda pair: pair[0])[1], cut_fade_ms)


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
    """Returns the `_STARTS` best envelopes of a fixed grid, and the best one without sustain."""

    def best(group: int, count: int) -> list[Envelope]:
        usual = _GRID[group]
        costs = np.concatenate(
            [
                np.sum(
                    _robust(misfit(measured, _grid_predictions(measured.places, curve, group, first))),
                    axis=-1,
                )
                for first in range(0, len(usual), _AT_ONCE)
            ]
        )
        return [_envelope(usual[place], curve) for place in np.argsort(costs, kind="stable")[:count]]

    return [*best(0, _STARTS), *best(1, 1)]


def _grid_predictions(places: Places, curve: Curve, group: int, first: int) -> F64:
    """Predicts levels of a batch of grid envelopes, [envelopes, points]; independent of the sound."""
    work = _cached_predictions if len(places.time_ms) <= _KEPT_POINTS else _cached_predictions.__wrapped__
    return work(places, curve, group, first)


@lru_cache(maxsize=64)
def _cached_predictions(places: Places, curve: Curve, group: int, first: int) -> F64:
    values = _GRID[group][first : first + _AT_ONCE]
    return predictions(places, places.power, Envelopes.of(values, curve))


def _robust(deviation: F64) -> F64:
    """Returns each point's robust loss: square if small, linear beyond `_OUTLIER` (scipy's soft_l1)."""
    return np.asarray(2 * _OUTLIER**2 * (np.sqrt(1 + (deviation / _OUTLIER) ** 2) - 1))


def _refine(measured: Measured, start: Envelope) -> tuple[float, Envelope]:
    """Fits an envelope by robust least squares from `start`; returns the loss and the envelope."""
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
        f_scale=_OUTLIER,
        xtol=1e-5,
        ftol=1e-7,
        max_nfev=60,
    )
    return float(fit.cost), _envelope(fit.x, start.curve)


def _rate_estimate(measured: Measured, envelope: Envelope, cut_fade_ms: float) -> EnvelopeEstimate:
    """Makes the estimate: adds level, residual and flags."""
    prediction = predicted(measured, envelope)
    levels = note_levels(measured, prediction)
    loudest = float(levels.max())
    heard = prediction > 0.01
    deviation = np.abs(misfit(measured, prediction))[heard]
    gates = measured.places.gates
    falls = envelope.sustain < 0.95
    # An envelope that does not fall is at its sustain after the attack: hold and decay are undetermined.
    settled = gates >= (settle_ms(envelope) if falls else envelope.attack_ms)
    let_go = levels * held_gain(envelope, gates) > 1.5 * measured.floor
    rests = measured.rests
    rings = rests.heard_ms - gates >= envelope.release_ms + cut_fade_ms
    shown = let_go & (rests.heard_ms - gates > WINDOW_MS)
    return EnvelopeEstimate(
        envelope,
        level_db=20.0 * float(np.log10(max(loudest, 1e-12))),
        residual=float(np.median(deviation)) if len(deviation) else 1.0,
        attack_seen=bool(np.any(gates >= envelope.attack_ms)),
        decay_seen=bool(np.any(settled)) and falls,
        sustain_seen=bool(np.any(settled)),
        release_seen=bool(np.any(let_go & rings)),
        release_interrupted=bool(np.any(let_go & rests.interrupted) and not np.any(shown)),
    )
