"""Phrases as rows of phrases.parquet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from manifests.types import Notes
from midi.clusters import phrase_clusters
from midi.extract import SourcedPhrase


def label_generated(phrases: Sequence[Notes]) -> list[SourcedPhrase]:
    """Generated phrases with their number as source.

    Example: `phrase_rows(label_generated(phrases))`.
    """
    return [SourcedPhrase(notes, f"generated {i}", "", 0) for i, notes in enumerate(phrases)]


def phrase_rows(phrases: Sequence[SourcedPhrase]) -> list[dict[str, Any]]:
    """The rows of phrases, all on the train side; ids are places in the list.

    Example: `[row["cluster"] for row in phrase_rows(phrases)]`.
    """
    sources = [phrase.source_sha256 for phrase in phrases]
    clusters = phrase_clusters([phrase.notes for phrase in phrases], sources)
    return [
        {
            "phrase": index,
            "source": phrase.source,
            "source_sha256": phrase.source_sha256,
            "notes": [
                {"onset": n.onset, "duration": n.duration, "pitch": n.pitch, "velocity": n.velocity}
                for n in phrase.notes
            ],
            "transposed": phrase.transposed,
            "cluster": cluster,
            "side": "train",
            "generation": 0,
        }
        for index, (phrase, cluster) in enumerate(zip(phrases, clusters, strict=True))
    ]
