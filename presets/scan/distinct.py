"""Selects presets of a scan that are usable and mutually distinct, and finds duplicates.

Two timbres are distinct if the distance of their fingerprints exceeds a threshold. The threshold is the
99th percentile, over presets, of a preset's distance to itself at another velocity.

The distance is the mean over registers and mel bands of |difference in dB| / sigma. sigma^2 is the sum of
both squared standard errors (from repeated notes) and of 1 dB squared, a just noticeable difference. So a
band counts less if it varies from note to note, because oscillators or an LFO run free. On all presets of
amsynth, the same rule without the standard errors finds a quarter fewer distinct ones. No constant is
fitted to presets.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from presets.tones.making import MIN_PITCH_CONFIDENCE

F64 = npt.NDArray[np.float64]

STEADY_DB = 1.0
"""The largest level variation of a usable preset, as a standard deviation in dB."""
PERCENTILE = 99.0
"""The percentile of the distances between velocities that is the threshold."""
JUST_NOTICEABLE_DB = 1.0
"""The just noticeable difference of a band's level."""


def is_usable(row: dict[str, Any]) -> bool:
    """Returns whether a scan's row is a sustained, pitched timbre: ok, steady, and most notes in tune."""
    return bool(
        row["status"] == "ok"
        and row["level_variation_db"] <= STEADY_DB
        and row["pitch_confidence"] >= MIN_PITCH_CONFIDENCE
    )


class Fingerprints(NamedTuple):
    """Holds fingerprints of n presets: mel levels in dB and standard errors, float64 [n, values] each."""

    levels: F64
    errors: F64

    @classmethod
    def from_rows(cls, rows: list[dict[str, Any]], name: str) -> Fingerprints:
        """Reads the columns `name` and `name`_error of a scan's rows."""
        return cls(*(np.array([row[column] for row in rows]) for column in (name, f"{name}_error")))

    def single(self, place: int) -> Fingerprints:
        """Returns one preset's fingerprint, with n = 1."""
        return Fingerprints(self.levels[place : place + 1], self.errors[place : place + 1])


def distances(a: Fingerprints, b: Fingerprints) -> F64:
    """Computes the distance of each fingerprint of `a` [n] to that of `b` [n or 1]: float64 [n]."""
    sigma = np.sqrt(a.errors**2 + b.errors**2 + JUST_NOTICEABLE_DB**2)
    return np.asarray(np.mean(np.abs(a.levels - b.levels) / sigma, axis=-1))


def compare_presets(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Returns a scan's rows with the columns that compare presets, and the comparison's parameters.

    A large set of mutually distinct usable presets is selected (`maximal_independent_set`). Every other
    usable preset names the nearest distinct one in `near`. `same_audio` names an earlier preset with
    bit-identical audio: loading a preset can fail without an error.

    Example::

        rows, parameters = compare_presets(rows)
        distinct = [row["preset"] for row in rows if row["distinct"]]
    """
    usable = [index for index, row in enumerate(rows) if is_usable(row)]
    candidates = [rows[index] for index in usable]
    loud = Fingerprints.from_rows(candidates, "fingerprint")
    soft = Fingerprints.from_rows(candidates, "fingerprint_soft")
    between_velocities = distances(loud, soft) if usable else np.empty(0)
    threshold = float(np.percentile(between_velocities, PERCENTILE)) if usable else 0.0
    apart = np.empty((len(usable), len(usable)))
    for i in range(len(usable)):
        apart[i] = distances(loud, loud.single(i))
    selected = maximal_independent_set(apart, threshold)
    nearest = {usable[i]: usable[selected[int(np.argmin(apart[i, selected]))]] for i in range(len(usable))}
    distinct = {usable[i] for i in selected}
    velocity_distance = dict(zip(usable, between_velocities.tolist(), strict=True))
    first_with_audio: dict[str, str] = {}
    compared = []
    for index, row in enumerate(rows):
        sha256 = row["audio_sha256"]
        same = first_with_audio.setdefault(sha256, row["preset"]) if sha256 else None
        is_near = index in velocity_distance and index not in distinct
        compared.append(
            row
            | {
                "velocity_distance": velocity_distance.get(index),
                "usable": index in velocity_distance,
                "distinct": index in distinct,
                "near": rows[nearest[index]]["preset"] if is_near else None,
                "same_audio": None if same == row["preset"] else same,
            }
        )
    parameters = {"threshold": threshold, "percentile": PERCENTILE, "compared": len(usable)}
    return compared, parameters | {"steady_db": STEADY_DB, "pitch_confidence": MIN_PITCH_CONFIDENCE}


def maximal_independent_set(apart: npt.NDArray[np.float64], threshold: float) -> list[int]:
    """Finds a maximal independent set of the graph that connects indices at most `threshold` apart.

    `apart` are the pairwise distances, float64 [n, n], symmetric. The algorithm is the minimum-degree
    greedy one (Halldorsson and Radhakrishnan 1997): it takes the remaining vertex with the fewest remaining
    neighbours (the first of several), and removes it with its neighbours. Returns the indices taken,
    sorted.

    Example::

        >>> maximal_independent_set(np.array([[0.0, 1.0, 9.0], [1.0, 0.0, 9.0], [9.0, 9.0, 0.0]]), 2.0)
        [0, 2]
    """
    adjacent = apart <= threshold
    np.fill_diagonal(adjacent, False)
    remaining = np.full(len(adjacent), True)
    degree = adjacent.sum(axis=1).astype(np.float64)
    independent = []
    while remaining.any():
        vertex = int(np.argmin(np.where(remaining, degree, np.inf)))
        independent.append(vertex)
        removed = remaining & adjacent[vertex]
        removed[vertex] = True
        remaining &= ~removed
        degree -= adjacent[:, removed].sum(axis=1)
    return sorted(independent)
