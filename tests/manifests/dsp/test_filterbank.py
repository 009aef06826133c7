"""Triangular filterbanks: their peaks, their sides, and that no band falls between two bins."""

from __future__ import annotations

import numpy as np

from manifests.dsp.filterbank import bin_hz, mel_edges, triangular_filters, unit_sum


def test_each_side_reaches_the_neighbouring_centre() -> None:
    edges = np.array([0.0, 100.0, 300.0, 700.0])
    filters = triangular_filters(edges, np.array([0.0, 50.0, 100.0, 200.0, 300.0, 500.0, 700.0]))
    np.testing.assert_allclose(filters[:, 0], [0.0, 0.5, 1.0, 0.5, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(filters[:, 1], [0.0, 0.0, 0.0, 0.5, 1.0, 0.5, 0.0])


def test_no_band_is_narrower_than_asked() -> None:
    edges, bins = mel_edges(30.0, 22_050.0, 320), bin_hz(2048, 44_100)
    assert (triangular_filters(edges, bins).sum(0) == 0.0).any()
    filters = unit_sum(triangular_filters(edges, bins, narrowest=44_100 / 2048))
    np.testing.assert_allclose(filters.sum(0), 1.0)
