"""Where a sustained tone can go on for ever: a loop whose beginning is like the tone's end.

The tone itself stays as it is. Behind its end lie `FADE` samples more, in which what follows the loop's
beginning is led in from the value at which the tone ends, so that no step is heard.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from manifests.dataset.bank import FADE

I16 = npt.NDArray[np.int16]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

LIKE_S = 0.05
"""So much of the tone before the loop's beginning is compared with its end."""
SHORTEST_S, LONGEST_S = 0.2, 0.8
"""How long a loop may be, where the tone is long enough."""


def loop_starts(tones: I16, rate: int) -> I64:
    """Where each tone's loop begins, int64 [tones]: what lies before is most like the tone's end.

    `tones` is [tones, frames]. Likeness is the normalised square difference of `LIKE_S`; the search is one
    cross-correlation.
    """
    count, frames = tones.shape
    width = min(int(LIKE_S * rate), frames // 4)
    last = frames - min(int(SHORTEST_S * rate), frames // 4)
    first = max(frames - int(LONGEST_S * rate), width)
    searched = tones[:, first - width : last].astype(np.float64)
    end = tones[:, -width:].astype(np.float64)
    padded = 1 << (searched.shape[1] + width).bit_length()
    spectrum = np.fft.rfft(searched, padded) * np.conj(np.fft.rfft(end, padded))
    products = np.fft.irfft(spectrum, padded)[:, : last - first + 1]
    sums = np.concatenate([np.zeros((count, 1)), np.cumsum(searched**2, axis=1)], axis=1)
    energies = sums[:, width:] - sums[:, : -width or None]
    likeness = 2.0 * products / np.maximum(energies + np.sum(end**2, axis=1)[:, None], 1.0)
    return np.asarray(first + np.argmax(likeness, axis=1))


def add_loops(tones: I16, rate: int) -> tuple[I16, I64]:
    """Tones with the samples that lead back into their loops, int16 [tones, frames + FADE], and the loops'
    beginnings, int64 [tones]; every loop ends with its tone.

    Example: `longer, starts = add_loops(tones, rate=44_100)`.
    """
    places = loop_starts(tones, rate)
    count, frames = tones.shape
    fade = 0.5 + 0.5 * np.cos(np.pi * (np.arange(FADE) + 0.5) / FADE)
    longer = np.empty((count, frames + FADE), dtype=np.int16)
    longer[:, :frames] = tones
    for row, place in enumerate(places):
        follows = tones[row, place : place + FADE].astype(np.float64)
        step = float(tones[row, -1]) - float(tones[row, place - 1])
        longer[row, frames:] = np.clip(np.rint(follows + step * fade), -32767, 32767)
    return longer, places + FADE
