"""Converts table rows to the values they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manifests.dataset.layout import TableFolder
from manifests.types import ENVELOPE_FIELDS, Envelope, Note, Notes


def envelope_of(row: Mapping[str, Any]) -> Envelope:
    """Returns the envelope in a row of envelopes.parquet or of a clip table.

    >>> row = {"attack_ms": 5.0, "hold_ms": 0.0, "decay_ms": 200.0, "sustain": 0.5, "release_ms": 80.0}
    >>> envelope_of({**row, "curve": "linear"}).decay_ms
    200.0
    """
    return Envelope(**{name: row[name] for name in ENVELOPE_FIELDS})


def measured_envelopes(layout: TableFolder) -> dict[tuple[int, int], Envelope]:
    """Returns the envelopes that clips' rows state in place of those asked for, by timbre and envelope.

    There are none but in a dataset with `labels: measured`; see labels.parquet.

    Example: `measured_envelopes(Layout(Path("dataset"))).get((3, 17))`.
    """
    if not layout.table("labels").exists():
        return {}
    rows = layout.read("labels").to_pylist()
    return {(row["timbre"], row["envelope"]): envelope_of(row) for row in rows if row["labels"] == "measured"}


def notes_of(row: Mapping[str, Any]) -> Notes:
    """Returns the notes in a row of phrases.parquet.

    >>> notes_of({"notes": [{"onset": 0.0, "duration": 0.5, "pitch": 60, "velocity": 100}]})
    (Note(onset=0.0, duration=0.5, pitch=60, velocity=100),)
    """
    return tuple(
        Note(float(n["onset"]), float(n["duration"]), int(n["pitch"]), int(n["velocity"]))
        for n in row["notes"]
    )
