"""Converts table rows to the values they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manifests.types import ENVELOPE_FIELDS, Envelope, Note, Notes


def envelope_of(row: Mapping[str, Any]) -> Envelope:
    """Returns the envelope in a row of envelopes.parquet or of a clip table."""
    return Envelope(**{name: row[name] for name in ENVELOPE_FIELDS})


def notes_of(row: Mapping[str, Any]) -> Notes:
    """Returns the notes in a row of phrases.parquet."""
    return tuple(
        Note(float(n["onset"]), float(n["duration"]), int(n["pitch"]), int(n["velocity"]))
        for n in row["notes"]
    )
