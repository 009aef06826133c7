"""Kaiser-windowed sincs, which interpolate a sampled sound between its samples.

The method is windowed-sinc interpolation (Smith and Gossett, "A flexible sampling-rate conversion method",
ICASSP 1984) with Kaiser's window.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

SHIFT_TAPS, SHIFT_BETA = 16, 9.0
"""Width in samples, and Kaiser's beta, of the sincs through which tones are read up to an octave higher."""
_PHASES, _AT_ONCE = 4096, 8192
"""Tabulated places between two samples, interpolated linearly: exact to float32; and samples at a time."""


def tap_offsets(taps: int) -> npt.NDArray[np.int64]:
    """Returns the samples that `taps` weights stand at, counted from the sample before the place read.

    >>> tap_offsets(4).tolist()
    [-1, 0, 1, 2]
    """
    return np.arange(taps) - taps // 2 + 1


def kaiser_sinc(distance: F64, taps: int, beta: float, cutoff: float = 1.0) -> F64:
    """Computes a sinc under a Kaiser window `taps` samples wide, at `distance` (samples, any shape).

    `cutoff` is the edge of the pass band, as a share of half the rate. The value at 0 is cutoff * I0(beta);
    callers scale it to a unit centre or a unit sum.

    >>> kaiser_sinc(np.array([0.0, 0.5]), taps=16, beta=9.0).round(1).tolist()
    [1093.6, 684.7]
    """
    inside = np.clip(1.0 - (distance / (taps / 2)) ** 2, 0.0, None)
    return np.asarray(cutoff * np.sinc(cutoff * distance) * np.i0(beta * np.sqrt(inside)))


def shift_table(ratio: float, taps: int, beta: float, phases: int) -> F64:
    """Tabulates the weights by which a tone is read at `ratio` times its speed: float64 [phases + 1, taps].

    Row k is for places k / `phases` behind a sample. Read faster, the cutoff falls with the ratio.

    >>> shift_table(1.0, taps=4, beta=9.0, phases=2).shape, float(shift_table(1.0, 4, 9.0, 2)[0, 1])
    ((3, 4), 1.0)
    """
    fractions = np.arange(phases + 1)[:, None] / phases
    table = kaiser_sinc(tap_offsets(taps)[None, :] - fractions, taps, beta, min(1.0, 1.0 / ratio))
    table /= np.i0(beta)
    return table


def shift_weights(frames: int, semitones: float) -> tuple[npt.NDArray[np.int64], F32]:
    """Computes how a tone is read `semitones` higher: where from, and by which weights.

    Returns the first of the samples read for each of `frames` samples, int64 [frames], which may be below 0,
    and the weights of the samples from there on, float32 [frames, taps]. Read faster, the cutoff falls with
    the ratio of the pitches, so that little aliases. There are `SHIFT_TAPS` taps up to a ratio of 2, twice as
    many up to 4, and so on, so that the cutoff stays as steep.

    >>> first, weights = shift_weights(4, 12.0)
    >>> first.tolist(), weights.shape
    ([-7, -5, -3, -1], (4, 16))
    >>> shift_weights(4, 13.0)[1].shape
    (4, 32)
    """
    ratio = 2.0 ** (semitones / 12.0)
    taps = SHIFT_TAPS * max(1, int(np.ceil(ratio / 2.0)))
    table = shift_table(ratio, taps, SHIFT_BETA, _PHASES)
    places = np.arange(frames) * ratio
    before = np.floor(places)
    phases = (places - before) * _PHASES
    weights = np.empty((frames, taps), dtype=np.float32)
    for start in range(0, frames, _AT_ONCE):
        phase = phases[start : start + _AT_ONCE]
        whole = phase.astype(np.int64)
        weights[start : start + _AT_ONCE] = (
            table[whole] + (table[whole + 1] - table[whole]) * (phase - whole)[:, None]
        )
    return before.astype(np.int64) - taps // 2 + 1, weights
