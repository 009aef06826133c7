"""Similarity of timbres: blind to level, sensitive to spectrum."""

from __future__ import annotations

import numpy as np

from presets.analysis.similarity import alike, distance_db, fingerprint, sounds_alike
from tests.support.presets.harmonic_tones import NOTES, RATE, SAW, SPECTRA, harmonic, hertz


def test_similarity_ignores_level_and_separates_spectra() -> None:
    prints = [
        fingerprint([scale * harmonic(hertz(note), spectrum) for note in NOTES], RATE)
        for scale, spectrum in ((1.0, SAW), (0.25, SAW), (1.0, SPECTRA["hollow"]), (1.0, [1.0]))
    ]
    assert distance_db(prints[0], prints[1]) < 0.01
    assert sounds_alike(prints[0], prints[1])
    expected = np.eye(4, dtype=bool)
    expected[0, 1] = expected[1, 0] = True
    np.testing.assert_array_equal(alike(np.array(prints)), expected)
