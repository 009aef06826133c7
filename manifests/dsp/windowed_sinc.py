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
"""Width in samples, and Kaiser's beta, of the sincs through which tones are read at another pitch."""


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


def shift_weights(frames: int, semitones: float) -> tuple[npt.NDArray[np.int64], F32]:
    """Computes how a tone is read `semitones` higher: where from, and by which weights.

    Returns the first of `SHIFT_TAPS` samples read for each of `frames` samples, int64 [frames], which may be
    below 0, and the weights of the samples from there on, float32 [frames, SHIFT_TAPS]. Read faster, the
    cutoff falls with the ratio of the pitches, so that nothing aliases.

    >>> first, weights = shift_weights(4, 12.0)
    >>> first.tolist(), weights.shape
    ([-7, -5, -3, -1], (4, 16))
    """
    ratio = 2.0 ** (semitones / 12.0)
    places = np.arange(frames) * ratio
    before = np.floor(places)
    distance = tap_offsets(SHIFT_TAPS)[None, :] - (places - before)[:, None]
    weights = kaiser_sinc(distance, SHIFT_TAPS, SHIFT_BETA, min(1.0, 1.0 / ratio)) / np.i0(SHIFT_BETA)
    return before.astype(np.int64) - SHIFT_TAPS // 2 + 1, weights.astype(np.float32)
