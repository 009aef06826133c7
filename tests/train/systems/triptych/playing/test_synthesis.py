"""Synthesis: an untrained decoder plays the reference's profile, also in bf16."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support.synthetic_dataset import CUT_FADE_MS
from tests.support.training.tiny_codec import RATE, make_clip, make_passage
from train.systems.triptych.playing import timbre_extraction
from train.systems.triptych.playing.synthesis import synthesise
from train.systems.triptych.system import Triptych


@torch.no_grad()
def test_untrained_decoder_plays_the_profile_of_the_reference(system: Triptych) -> None:
    audio, notes, envelope = make_clip(3, timbre=2)
    timbre = timbre_extraction.extract_timbre(system, make_passage(audio, notes), envelope)
    timbre = timbre._replace(tones=None)
    profile = timbre.profile
    played = synthesise(system, notes, envelope, timbre, len(audio))
    measured, *_ = timbre_extraction.extract_timbre(system, make_passage(played, notes), envelope)
    strong = profile.harmonic_BNK[0] > profile.harmonic_BNK[0].amax() - 4.0
    difference = (measured.harmonic_BNK[0] - profile.harmonic_BNK[0])[strong]
    assert strong.sum() > 20
    assert difference.abs().median() < 0.25  # of a neper: 2 dB
    assert np.sqrt(np.mean(played**2)) == pytest.approx(np.sqrt(np.mean(audio**2)), rel=0.3)


@torch.no_grad()
def test_noise_is_not_counted_as_partials_too(system: Triptych) -> None:
    """Odd harmonics in noise: power at even harmonics counts as noise, also after several conversions."""
    frames = 2 * RATE
    notes, envelope = (Note(0.0, 1.8, 60, 100),), Envelope(5.0, 50.0, 0.9, 50.0)
    time = np.arange(frames) / RATE * 440.0 * 2.0 ** (-9.0 / 12.0)
    odd = sum(np.sin(2 * np.pi * k * time) / k for k in (1, 3, 5, 7))
    dry = 0.1 * odd + 0.03 * stream(1, "noise").normal(size=frames)
    sound = (compose.gain(notes, envelope, RATE, frames, CUT_FADE_MS) * dry).astype(np.float32)
    rounds = [timbre_extraction.extract_timbre(system, make_passage(sound, notes), envelope)]
    for _ in range(3):
        played = synthesise(system, notes, envelope, rounds[-1]._replace(tones=None), frames)
        rounds.append(timbre_extraction.extract_timbre(system, make_passage(played, notes), envelope))
    levels = torch.stack([timbre.profile.harmonic_BNK[0, 0, :8] for timbre in rounds])
    above = (levels[:, 0::2] - levels[:, 1::2].logsumexp(1, keepdim=True)).amin(1)
    assert above[0] > 2.0
    assert (above[1:] > above[0] - 0.5).all()
    noise = torch.stack([timbre.profile.noise_BNW[0, 0] for timbre in rounds]).exp().square().mean(1).sqrt()
    np.testing.assert_allclose(noise[1:], float(noise[0]), rtol=0.15)


def test_bf16_agrees_with_fp32(system: Triptych) -> None:
    """Under autocast the trunks run in bf16; spectra, phases, gains and pooling in fp32."""
    audio, notes, envelope = make_clip(2, 1.0)

    @torch.no_grad()
    def run(enabled: bool) -> tuple[torch.Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            passage_heard = make_passage(audio, notes)
            logits = system.encoder(passage_heard.features)
            timbre = timbre_extraction.extract_timbre(system, passage_heard, envelope)
            played = torch.from_numpy(np.array(synthesise(system, notes, envelope, timbre, len(audio))))
            guess = system.envelope_head(passage_heard.features.level_BL, passage_heard.notes).clip_BP
        return logits.onset_BS, logits.pitch_BGP, timbre.vectors, guess, played

    for half, whole in zip(run(True), run(False), strict=True):
        assert torch.isfinite(half.float()).all()
        assert float((half.float() - whole).abs().mean()) < 0.03 * float(whole.abs().mean() + 0.03)
