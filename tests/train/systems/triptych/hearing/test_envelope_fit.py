"""Envelope fitting: a batch is found from rough guesses."""

from __future__ import annotations

import numpy as np
import torch

from manifests.synthesis import compose
from manifests.types import Envelope
from tests.support.synthetic_dataset import CUT_FADE_MS, make_envelope, make_phrase
from tests.support.training.tiny_codec import RATE
from train.nn.gain import envelope_batch, note_batch
from train.systems.triptych.hearing.envelope_fit import fit_envelopes
from train.systems.triptych.networks.envelope_head import to_units
from train.systems.triptych.networks.features import extract_features


def test_envelope_fit_recovers_a_batch_from_rough_guesses() -> None:
    phrases, envelopes = ([make(11, index) for index in range(4)] for make in (
        lambda seed, index: make_phrase(seed, index, 3.0), lambda seed, index: make_envelope(seed, index)[1]
    ))  # fmt: skip
    tone = np.sin(2.0 * np.pi * 331.0 * np.arange(3 * RATE) / RATE).astype(np.float32)
    steady = np.stack(
        [
            tone * compose.gain(n, e, RATE, 3 * RATE, CUT_FADE_MS)
            for n, e in zip(phrases, envelopes, strict=True)
        ]
    )
    level = extract_features(torch.from_numpy(steady), RATE).level_BL
    rough = [
        Envelope(
            e.attack_ms * 1.5, e.decay_ms * 0.7, min(e.sustain + 0.1, 1.0), e.release_ms * 1.4, e.hold_ms + 10
        )
        for e in envelopes
    ]
    batch = note_batch(phrases, RATE, 3 * RATE)
    guess, true = (to_units(envelope_batch(some)) for some in (rough, envelopes))
    fitted = fit_envelopes(level, batch, guess, RATE, CUT_FADE_MS)
    errors = (fitted.units_BP - true).abs()
    assert (errors.mean(1) < 0.5 * (guess - true).abs().mean(1)).all()
    assert (fitted.off_BN <= batch.end_BN).all()
    attack, _, _, sustain, _, _ = errors.median(0).values.tolist()
    assert attack < 0.02  # of a logarithm: 2%
    assert sustain < 0.005 * 4.0
    alone = fit_envelopes(level[2:3], note_batch(phrases[2:3], RATE, 3 * RATE), guess[2:3], RATE, CUT_FADE_MS)
    torch.testing.assert_close(alone.units_BP[0], fitted.units_BP[2], atol=2e-3, rtol=2e-3)
