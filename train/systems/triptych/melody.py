"""Pitches of a melody from what is said of each of its notes.

Where the lowest partials do not tell the octave, notes judged one by one come out in two octaves, and that
mixture is a trait of the timbre. Melodies seldom leap by so much, so the notes are judged together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

LEAP = 0.05
"""What each semitone of a leap costs, in natural logarithms: octaves are half as likely as repetitions."""


def likeliest(said_NP: F32) -> list[int]:
    """The likeliest row of pitches (Viterbi, 1967) for log probabilities of N notes' pitches."""
    pitches = np.arange(said_NP.shape[1])
    leap_PP = LEAP * np.abs(pitches[:, None] - pitches)
    best_P, came = said_NP[0], []
    for said_P in said_NP[1:]:
        way_PP = best_P[:, None] - leap_PP
        came.append(way_PP.argmax(0))
        best_P = way_PP.max(0) + said_P
    path = [int(best_P.argmax())]
    for before in reversed(came):
        path.append(int(before[path[-1]]))
    return path[::-1]
