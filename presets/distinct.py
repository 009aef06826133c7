"""Which presets of a scan are usable, the same as another, or too near to one.

Two timbres are different when their fingerprints differ by more than the 99th percentile of a preset's
distance to itself at another velocity.

The distance of two fingerprints compares compressed mel power (its 0.05th power, scaled to a root mean
square of 1 for each pair of notes: close to levels in dB, without a hard floor) by the square of the mean
square root of the differences. Many small differences weigh more than a few large ones: the latter are what
free-running oscillators make of one and the same preset. Measured on all of amsynth's presets, the usual
root mean square in dB tells little more than half as many apart by the same rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from presets.likeness import BANDS
from presets.tones import SURE

F32 = npt.NDArray[np.float32]

STEADY_DB = 1.0
PERCENTILE = 99.0
EXPONENT = 0.05


def usable(row: dict[str, Any]) -> bool:
    """A sustained timbre with a pitch: nothing failed, the level is steady and most notes are in tune."""
    return bool(
        row["status"] == "ok" and row["level_variation_db"] <= STEADY_DB and row["pitch_confidence"] >= SURE
    )


def compressed(fingerprints: npt.ArrayLike) -> F32:
    """Fingerprints in dB [n, notes * BANDS] as what distances compare: float32 of the same shape."""
    levels = np.asarray(fingerprints, dtype=np.float64)
    power = 10.0 ** (levels * EXPONENT / 10.0)
    notes = power.reshape(len(levels), -1, BANDS) if levels.size else power.reshape(0, 1, BANDS)
    scaled = notes / np.sqrt(np.mean(notes**2, axis=-1, keepdims=True))
    return np.asarray(scaled.reshape(len(levels), -1), dtype=np.float32)


def distances(ones: F32, other: F32) -> npt.NDArray[np.float64]:
    """From each of `ones` [n, values] to `other` [values] or [n, values]: float64 [n]."""
    return np.asarray(np.mean(np.sqrt(np.abs(ones - other)), axis=-1, dtype=np.float64) ** 2)


def compare(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """`rows` with the columns that compare presets, and what the comparison went by.

    Of the usable presets a large set is taken that are all different from each other; any other names the
    distinct one it is nearest to. A preset whose audio is an earlier one's to the bit is suspect whatever
    it sounds like: loaders fail in silence.
    """
    good = [place for place, row in enumerate(rows) if usable(row)]
    loud = compressed([rows[place]["fingerprint"] for place in good])
    selves = distances(loud, compressed([rows[place]["fingerprint_soft"] for place in good]))
    threshold = float(np.percentile(selves, PERCENTILE)) if good else 0.0
    apart = np.stack([distances(loud, one) for one in loud]) if good else np.empty((0, 0))
    taken = mutually_different(apart, threshold)
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
    return compared, known | {"steady_db": STEADY_DB, "pitch_confidence": SURE}


def mutually_different(apart: npt.NDArray[np.float64], threshold: float) -> list[int]:
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
