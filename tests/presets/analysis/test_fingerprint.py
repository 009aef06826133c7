"""Similarity of timbres: blind to level, sensitive to spectrum."""

from __future__ import annotations

import numpy as np

from manifests.splits.clusters import timbres_alike
from presets.analysis.fingerprint import mel_fingerprint
from tests.support.presets.harmonic_tones import NOTES, RATE, SAW, SPECTRA, harmonic, hertz


def test_similarity_ignores_level_and_separates_spectra() -> None:
    prints = [
        mel_fingerprint([scale * harmonic(hertz(note), spectrum) for note in NOTES], RATE)
        for scale, spectrum in ((1.0, SAW), (0.25, SAW), (1.0, SPECTRA["hollow"]), (1.0, [1.0]))
    ]
    assert np.sqrt(np.mean((prints[0] - prints[1]) ** 2)) < 0.01
    expected = np.eye(4, dtype=bool)
    expected[0, 1] = expected[1, 0] = True
    np.testing.assert_array_equal(timbres_alike(np.array(prints)), expected)
