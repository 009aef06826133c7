"""Which presets of a scan are usable, the same as another, or too near to one.

Two timbres are different when their fingerprints differ by more than the 99th percentile of a preset's
distance to itself at another velocity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from presets.tones import SURE

STEADY_DB = 1.0
PERCENTILE = 99.0


def usable(row: dict[str, Any]) -> bool:
    """A sustained timbre with a pitch: nothing failed, the level is steady and most notes are in tune."""
    return bool(
        row["status"] == "ok" and row["level_variation_db"] <= STEADY_DB and row["pitch_confidence"] >= SURE
    )


def compare(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """`rows` with the columns that compare presets, and what the comparison went by.

    A usable preset is distinct unless an earlier distinct one is too near; that one is named. A preset
    whose audio is an earlier one's to the bit is suspect whatever it sounds like: loaders fail in silence.
    """
    good = [row for row in rows if usable(row)]
    selves = [row["velocity_distance_db"] for row in good]
    threshold = float(np.percentile(selves, PERCENTILE)) if selves else 0.0
    kept = np.empty((len(good), len(good[0]["fingerprint"]) if good else 0))
    names: list[str] = []
    first: dict[str, str] = {}
    compared = []
    for row in rows:
        same = first.setdefault(row["audio_sha256"], row["preset"]) if row["audio_sha256"] else None
        near = None
        if usable(row):
            levels = np.asarray(row["fingerprint"], dtype=np.float64)
            distances = np.sqrt(np.mean((kept[: len(names)] - levels) ** 2, axis=1))
            if len(names) and distances.min() <= threshold:
                near = names[int(np.argmin(distances))]
            else:
                kept[len(names)] = levels
                names.append(row["preset"])
        compared.append(
            row
            | {
                "usable": usable(row),
                "distinct": usable(row) and near is None,
                "near": near,
                "same_audio": None if same == row["preset"] else same,
            }
        )
    return compared, {
        "threshold_db": threshold,
        "percentile": PERCENTILE,
        "compared": len(good),
        "steady_db": STEADY_DB,
        "pitch_confidence": SURE,
    }
