"""Finds loop points in sustained tones, and appends the transition from each tone's end to its loop's start.

A loop runs from its start to the tone's end. The tone itself is not changed. `FADE` samples are appended: a
copy of what follows the loop's start, plus a fading offset that removes the step at the tone's end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from manifests.dataset.bank import FADE
from manifests.dsp.similarity import end_similarity

I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]

MATCH_S = 0.05
"""The length of the tone's end that is matched with what precedes the loop's start."""
SHORTEST_S, LONGEST_S = 0.2, 0.8
"""The limits of a loop's duration, if the tone is long enough."""


def loop_starts(tones: I16, rate: int) -> I64:
    """Finds each tone's loop start: int64 [tones], in samples.

    `tones` is int16 [tones, frames]. What precedes the start is most similar to the tone's end over `MATCH_S`
    (see `end_similarity`).
    """
    frames = tones.shape[1]
    width = min(int(MATCH_S * rate), frames // 4)
    last = frames - min(int(SHORTEST_S * rate), frames // 4)
    first = max(frames - int(LONGEST_S * rate), width)
    searched = tones[:, first - width : last].astype(np.float64)
    similarity = end_similarity(searched, tones[:, frames - width :].astype(np.float64))
    return np.asarray(first + np.argmax(similarity, axis=1))


def add_loops(tones: I16, rate: int) -> tuple[I16, I64]:
    """Appends loop transitions to tones: int16 [tones, frames] to int16 [tones, frames + FADE].

    Also returns the loop starts, int64 [tones], in samples. A player that reaches the end of a tone's
    `frames + FADE` samples continues at that tone's start; `rate` is in Hz.

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
