"""Decodes the pitches of a melody jointly from the pitch probabilities of its notes.

Where the lowest partials do not show the octave, notes decoded one by one end up in two octaves. That
ambiguity is a property of the timbre, which all notes share, and melodies seldom leap by an octave. So the
pitches are decoded with a cost for leaps and a cost for notes whose octave traits differ from the others'.

Shape suffixes: N notes, P candidate pitches, S traits of each (see `features.octave_traits`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

LEAP_COST = 0.05
"""Cost of each semitone of a leap, in natural logarithms: an octave is half as likely as a repetition."""

TRAIT_COST = 3.0
"""Cost of a difference in traits beyond the tolerance, in natural logarithms per 40 dB."""

TRAIT_TOLERANCE = 0.1
"""Difference in traits that costs nothing: 4 dB."""

HYPOTHESES = 8
"""Number of notes whose traits are tried as those of the whole melody."""


def decode_pitches(log_probability_NP: F32, traits_NPS: F32) -> list[int]:
    """Decodes the pitches of notes that share one timbre, as indices of candidates.

    The melody is first decoded without traits. Then the traits of several of its notes are each tried as
    those that all notes should have, and the likeliest path wins.

    Args:
        log_probability_NP: log probability of each note's candidates, float32.
        traits_NPS: traits of each note's candidates, float32.
    """
    initial = viterbi_path(log_probability_NP)
    hypotheses: list[tuple[float, list[int]]] = []
    for note in np.unique(np.linspace(0, len(initial) - 1, HYPOTHESES).round().astype(int)):
        excess = np.abs(traits_NPS - traits_NPS[note, initial[note]]) - TRAIT_TOLERANCE
        penalised_NP = log_probability_NP - TRAIT_COST * np.maximum(excess, 0.0).sum(-1)
        path = viterbi_path(penalised_NP)
        hypotheses.append((path_log_probability(penalised_NP, path), path))
    return max(hypotheses)[1]


def path_log_probability(log_probability_NP: F32, path: list[int]) -> float:
    """Computes the log probability of a path of pitches, leaps included."""
    leaps = np.abs(np.diff(path)).sum()
    return float(log_probability_NP[np.arange(len(path)), path].sum() - LEAP_COST * leaps)


def viterbi_path(log_probability_NP: F32) -> list[int]:
    """Finds the likeliest path of pitches with the cost of leaps (Viterbi, 1967), as candidates' indices."""
    pitches = np.arange(log_probability_NP.shape[1])
    leap_PP = LEAP_COST * np.abs(pitches[:, None] - pitches)
    best_P, predecessors = log_probability_NP[0], []
    for log_probability_P in log_probability_NP[1:]:
        score_PP = best_P[:, None] - leap_PP
        predecessors.append(score_PP.argmax(0))
        best_P = score_PP.max(0) + log_probability_P
    path = [int(best_P.argmax())]
    for predecessor in reversed(predecessors):
        path.append(int(predecessor[path[-1]]))
    return path[::-1]
