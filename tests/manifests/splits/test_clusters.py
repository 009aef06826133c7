"""Clusters: connected components of similar ids."""

from __future__ import annotations

import numpy as np

from manifests.splits.clusters import connected, envelope_clusters
from manifests.types import Envelope


def test_clusters_are_the_connected_parts() -> None:
    alike = np.eye(5, dtype=bool)
    alike[0, 3] = alike[3, 0] = alike[3, 4] = alike[4, 3] = True
    assert connected(alike) == [0, 1, 2, 0, 0]


def test_envelopes_that_nearly_agree_share_a_cluster() -> None:
    base = Envelope(50, 100, 0.5, 100)
    near = Envelope(50.5, 102, 0.505, 101)
    assert envelope_clusters([base, near, Envelope(50, 100, 0.55, 100)]) == [0, 0, 2]
