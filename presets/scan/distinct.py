"""Which presets of a scan are usable, the same as another, or too near to one.

Two timbres are different when their fingerprints differ by more than the 99th percentile of a preset's
distance to itself at another velocity.

The distance of two fingerprints is the mean over registers and mel bands of the difference in dB, each in
units of what chance makes of it: the standard errors of both, from repeated notes, and one decibel, which
is hardly heard. So a preset whose oscillators or LFO run free counts where it repeats itself, and a few such
presets do not blur all others. Measured on all of amsynth's presets, the same notes compared without their
errors tell a quarter fewer apart by the same rule. Nothing here is fitted to presets.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from presets.tones.making import MIN_PITCH_CONFIDENCE

F64 = npt.NDArray[np.float64]

STEADY_DB = 1.0
PERCENTILE = 99.0
JUST_NOTICEABLE_DB = 1.0
"""A difference in a band's level that is hardly heard."""


def is_usable(row: dict[str, Any]) -> bool:
    """A sustained timbre with a pitch: nothing failed, the level is steady and most notes are in tune."""
    return bool(
        row["status"] == "ok"
        and row["level_variation_db"] <= STEADY_DB
        and row["pitch_confidence"] >= MIN_PITCH_CONFIDENCE
    )


class Fingerprints(NamedTuple):
    """Fingerprints of n presets: mel levels in dB and their standard errors, float64 [n, values] each."""

    levels: F64
    errors: F64

    @classmethod
    def from_rows(cls, rows: list[dict[str, Any]], name: str) -> Fingerprints:
        """The column `name` of rows, and its errors."""
        return cls(*(np.array([row[column] for row in rows]) for column in (name, f"{name}_error")))

    def single(self, place: int) -> Fingerprints:
        """A single preset's, as n = 1."""
        return Fingerprints(self.levels[place : place + 1], self.errors[place : place + 1])


def distances(ones: Fingerprints, others: Fingerprints) -> F64:
    """From each of `ones` (n) to the same of `others` (n), or to the only one of them: float64 [n]."""
    chance = np.sqrt(ones.errors**2 + others.errors**2 + JUST_NOTICEABLE_DB**2)
    return np.asarray(np.mean(np.abs(ones.levels - others.levels) / chance, axis=-1))


def compare_presets(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """`rows` with the columns that compare presets, and what the comparison went by.

    Of the usable presets a large set is taken that are all different from each other; any other names the
    distinct one it is nearest to. A preset whose audio is an earlier one's to the bit is suspect whatever
    it sounds like: loaders fail in silence.
    """
    good = [place for place, row in enumerate(rows) if is_usable(row)]
    heard = [rows[place] for place in good]
    loud, soft = (
        Fingerprints.from_rows(heard, "fingerprint"),
        Fingerprints.from_rows(heard, "fingerprint_soft"),
    )
    selves = distances(loud, soft) if good else np.empty(0)
    threshold = float(np.percentile(selves, PERCENTILE)) if good else 0.0
    apart = (
        np.stack([distances(loud, loud.single(i)) for i in range(len(good))]) if good else np.empty((0, 0))
    )
    taken = maximal_independent_set(apart, threshold)
    nearest = {good[i]: good[taken[int(np.argmin(apart[i, taken]))]] for i in range(len(good))}
    distinct = {good[i] for i in taken}
    own = dict(zip(good, selves.tolist(), strict=True))
    first: dict[str, str] = {}
    compared = []
    for place, row in enumerate(rows):
        same = first.setdefault(row["audio_sha256"], row["preset"]) if row["audio_sha256"] else None
        near = rows[nearest[place]]["preset"] if place in own and place not in distinct else None
        compared.append(
            row
            | {
                "velocity_distance": own.get(place),
                "usable": place in own,
                "distinct": place in distinct,
                "near": near,
                "same_audio": None if same == row["preset"] else same,
            }
        )
    known = {"threshold": threshold, "percentile": PERCENTILE, "compared": len(good)}
    return compared, known | {"steady_db": STEADY_DB, "pitch_confidence": MIN_PITCH_CONFIDENCE}


def maximal_independent_set(apart: npt.NDArray[np.float64], threshold: float) -> list[int]:
    """A large set of places whose distances all exceed `threshold`, rising; `apart` is [n, n].

    The place with the fewest near ones left is taken, the first of several, and its near ones go.
    """
    near = apart <= threshold
    np.fill_diagonal(near, False)
    left = np.full(len(near), True)
    degree = near.sum(axis=1).astype(np.float64)
    taken = []
    while left.any():
        place = int(np.argmin(np.where(left, degree, np.inf)))
        taken.append(place)
        gone = left & near[place]
        gone[place] = True
        left &= ~gone
        degree -= near[:, gone].sum(axis=1)
    return sorted(taken)
