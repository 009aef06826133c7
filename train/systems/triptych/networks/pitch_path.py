"""Pitches of a melody from what is said of each of its notes.

Where the lowest partials do not tell the octave, notes judged one by one come out in two octaves, and that
mixture is a trait of the timbre. Melodies seldom leap by so much, and all their notes have one timbre; so
they are judged together.

N notes, P candidate pitches, S traits of each (`features.octave_traits`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

LEAP = 0.05
"""What each semitone of a leap costs, in natural logarithms: octaves are half as likely as repetitions."""

UNLIKE = 3.0
"""What it costs a note, in natural logarithms, to have traits (in units of 40 dB) so far from the others'"""

SLACK = 0.1
"""beyond what they may differ by: 4 dB."""

EXAMPLES = 8
"""So many notes of a melody are taken for what the others should be like."""


def in_one_octave(said_NP: F32, traits_NPS: F32) -> list[int]:
    """The likeliest pitches of notes that have one timbre, by log probabilities and by traits.

    Each of some notes, as it would be read without, is tried as what the others should be like.
    """
    plain = likeliest(said_NP)
    found: list[tuple[float, list[int]]] = []
    for note in np.unique(np.linspace(0, len(plain) - 1, EXAMPLES).round().astype(int)):
        unlike = np.abs(traits_NPS - traits_NPS[note, plain[note]]) - SLACK
        likely_NP = said_NP - UNLIKE * np.maximum(unlike, 0.0).sum(-1)
        path = likeliest(likely_NP)
        found.append((of_path(likely_NP, path), path))
    return max(found)[1]


def of_path(said_NP: F32, path: list[int]) -> float:
    """How likely a row of pitches is, leaps considered."""
    leaps = np.abs(np.diff(path)).sum()
    return float(said_NP[np.arange(len(path)), path].sum() - LEAP * leaps)


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
