"""Not leaking, afresh: what sounds, plays or is shaped alike on two sides, cluster columns aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from manifests.audit.findings import Finding
from manifests.audit.tables import Tables
from manifests.dataset.rows import envelope_of, notes_of
from manifests.splits.clusters import connected, envelope_clusters, phrases_alike, timbres_alike


def alike_findings(tables: Tables) -> Iterator[Finding]:
    """Timbres by their fingerprints, phrases by their notes, envelopes by their values, across the sides."""
    fingerprints = np.array(tables.timbres["fingerprint"].to_list(), dtype=np.float32)
    notes = [notes_of(row) for row in tables.phrases.to_dict("records")]
    envelopes = [envelope_of(row) for row in tables.envelopes.to_dict("records")]
    clusters = {
        "timbre": (connected(timbres_alike(fingerprints)), "sound alike"),
        "phrase": (connected(phrases_alike(notes)), "are one music, in another key or shifted"),
        "envelope": (envelope_clusters(envelopes), "are nearer than the tolerance"),
    }
    for axis, (cluster, said) in clusters.items():
        for ids in _astride(cluster, tables.axis(axis)["side"].to_list()):
            yield Finding("leak", f"{axis}s {', '.join(map(str, ids[:6]))}", f"{said}, but are on two sides")


def _astride(cluster: Sequence[int], sides: Sequence[str]) -> Iterator[list[int]]:
    """The clusters of which some ids are trained on, and others not."""
    members: dict[int, list[int]] = {}
    for index, of in enumerate(cluster):
        members.setdefault(of, []).append(index)
    yield from (ids for ids in members.values() if len({sides[i] == "train" for i in ids}) > 1)
