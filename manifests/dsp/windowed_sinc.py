"""Kaiser-windowed sincs, which interpolate a sampled sound between its samples.

The method is windowed-sinc interpolation (Smith and Gossett, "A flexible sampling-rate conversion method",
ICASSP 1984) with Kaiser's window.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


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
