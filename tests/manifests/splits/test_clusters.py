"""Clusters: connected components of similar ids."""

from __future__ import annotations

import numpy as np

from manifests.splits.clusters import connected, envelope_clusters
from manifests.types import Envelope


def test_clusters_are_connected_components() -> None:
    similar = np.eye(5, dtype=bool)
    similar[0, 3] = similar[3, 0] = similar[3, 4] = similar[4, 3] = True
    assert connected(similar) == [0, 1, 2, 0, 0]


def test_similar_envelopes_share_a_cluster() -> None:
    base = Envelope(50, 100, 0.5, 100)
    near = Envelope(50.5, 102, 0.505, 101)
    assert envelope_clusters([base, near, Envelope(50, 100, 0.55, 100)]) == [0, 0, 2]
