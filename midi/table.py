"""Converts phrases to rows of phrases.parquet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from manifests.types import Notes
from midi.clusters import phrase_clusters
from midi.extract import SourcedPhrase


def label_generated(phrases: Sequence[Notes]) -> list[SourcedPhrase]:
    """Wraps generated phrases; each one's `source` is its number.

    Example: `phrase_rows(label_generated(phrases))`.
    """
    return [SourcedPhrase(notes, f"generated {i}", "", 0) for i, notes in enumerate(phrases)]


def phrase_rows(phrases: Sequence[SourcedPhrase]) -> list[dict[str, Any]]:
    """Returns the rows of phrases.parquet, all on the train side; ids are list indices.

    Example::

        rows = phrase_rows(label_generated(generate_phrases(0, 100, spec, 3.0, observe)))
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
