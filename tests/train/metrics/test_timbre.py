"""Timbre distances: blind to level and length, sensitive to spectrum."""

from __future__ import annotations

import numpy as np

from manifests.synthesis.octaves import median_pitch
from tests.support.sounds import RATE, harmonic, play_phrase
from tests.support.synthetic_dataset import make_envelope, make_phrase
from train.metrics.timbre import embedding_distance, measure_timbre, mfcc_distance


def test_timbre_distance_ignores_level_and_length_but_not_spectra() -> None:
    one, loud = measure_timbre(harmonic(220.0), RATE), measure_timbre(0.1 * harmonic(220.0, 2.0), RATE)
    other = measure_timbre(harmonic(220.0, slope=3.0), RATE)
    assert one is not None
    assert loud is not None
    assert other is not None
    assert mfcc_distance(one, loud) < 1.0 < 5.0 < mfcc_distance(one, other)
    assert embedding_distance(one, loud) < 0.02 < 0.2 < embedding_distance(one, other)
    assert measure_timbre(np.zeros(RATE), RATE) is None


def test_the_embedding_separates_unseen_timbres() -> None:
    """AUC of one timbre on two phrases at matched pitch against two timbres: a synth it was not fitted on."""
    medians = [median_pitch(make_phrase(7, phrase, 1.0)) for phrase in range(16)]
    phrases = [phrase for phrase, pitch in enumerate(medians) if pitch == max(medians, key=medians.count)]
    timbres = [
        [measure_timbre(play_phrase(t, p, make_envelope(7, t + p)[1], 1.0)[0], RATE) for p in phrases[:2]]
        for t in range(9)
    ]
    distances: dict[bool, list[float]] = {True: [], False: []}
    for a, (one, _) in enumerate(timbres):
        for b, (_, two) in enumerate(timbres):
            assert one is not None
            assert two is not None
            distances[a == b].append(embedding_distance(one, two))
    below = np.array(distances[True])[:, None] < np.array(distances[False])[None, :]
    assert below.mean() >= 0.95
