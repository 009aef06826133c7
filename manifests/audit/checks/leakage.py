"""Leakage checks: nothing that is tested on is in train, by id, by cluster, by likeness or by audio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from manifests.audit.checks.rows import ClipColumns, clip_key
from manifests.audit.findings import Finding, findings_of
from manifests.audit.tables import AXES, Tables
from manifests.dataset.rows import envelope_of, notes_of
from manifests.splits.clusters import connected, envelope_clusters, phrases_alike, timbres_alike
from manifests.types import SPLITS


def id_leak_findings(clips: ClipColumns, tables: Tables) -> Iterator[Finding]:
    """Checks that no id that a split calls unseen is in train, and that no two clips have the same audio."""
    split = np.array([*SPLITS, ""], dtype=object)[clips.split]
    for place, axis in enumerate(AXES, start=1):
        count = len(tables.axis(axis))
        inside = (clips.ids[:, place] >= 0) & (clips.ids[:, place] < count)
        train = np.isin(split, ["train", "validation"]) & inside
        unseen = np.isin(split, [f"test_unseen_{axis}", "test_unseen_all"]) & inside
        occurs = [np.bincount(clips.ids[of, place], minlength=count) > 0 for of in (train, unseen)]
        both = np.flatnonzero(occurs[0] & occurs[1])
        yield from findings_of("leak", ((f"{axis} {i}", "called unseen, but occurs in train") for i in both))
    order = np.argsort(clips.pcm, kind="stable")
    pcm = clips.pcm[order]
    twice = order[1:][(pcm[1:] == pcm[:-1]) & (pcm[1:] != 0)]
    what = "has the same audio as another clip"
    yield from findings_of("leak", ((clip_key(clips.ids[i]), what) for i in twice))


def cluster_leak_findings(tables: Tables) -> Iterator[Finding]:
    """Checks that no cluster of the tables has ids in train and ids outside.

    A timbre like one of the synth left out is tested on, too, on a side of its own: no leak.
    """
    for axis in AXES:
        rows = tables.axis(axis)
        sides = (rows["side"] == "train").groupby(rows["cluster"]).nunique()
        split = sides.index[sides > 1]
        yield from findings_of("leak", ((f"{axis} cluster {c}", "stands on two sides") for c in split))


def similarity_leak_findings(tables: Tables) -> Iterator[Finding]:
    """Clusters the ids again and checks that no cluster has ids in train and ids outside.

    Timbres are compared by fingerprint, phrases by notes, envelopes by values. The tables' own cluster
    columns are not used.
    """
    fingerprints = np.array(tables.timbres["fingerprint"].to_list(), dtype=np.float32)
    notes = [notes_of(row) for row in tables.phrases.to_dict("records")]
    envelopes = [envelope_of(row) for row in tables.envelopes.to_dict("records")]
    clusters = {
        "timbre": (connected(timbres_alike(fingerprints)), "sound alike"),
        "phrase": (connected(phrases_alike(notes)), "are one another transposed or shifted in time"),
        "envelope": (envelope_clusters(envelopes), "are nearer than the tolerance"),
    }
    for axis, (cluster, likeness) in clusters.items():
        for ids in _on_two_sides(cluster, tables.axis(axis)["side"].to_list()):
            where = f"{axis}s {', '.join(map(str, ids[:6]))}"
            yield Finding("leak", where, f"{likeness}, but are on two sides")


def _on_two_sides(cluster: Sequence[int], sides: Sequence[str]) -> Iterator[list[int]]:
    """Yields the ids of each cluster that has ids in train and ids outside.

    Args:
        cluster: [ids], the cluster of each id.
        sides: [ids], the side of each id.
    """
    members: dict[int, list[int]] = {}
    for index, number in enumerate(cluster):
        members.setdefault(number, []).append(index)
    yield from (ids for ids in members.values() if len({sides[i] == "train" for i in ids}) > 1)
