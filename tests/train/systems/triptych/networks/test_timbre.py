"""The timbre: what is measured of a reference, what is played of it, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support.synthetic_dataset import CUT_FADE_MS
from tests.support.training.tiny_codec import RATE, SIZES, clip, make_system, passage
from train.codec.api import Codec
from train.nn.gain import envelope_batch, note_batch
from train.systems.triptych.inference import timbre_extraction
from train.systems.triptych.inference.synthesis import play
from train.systems.triptych.networks.features import features
from train.systems.triptych.networks.partials import noise_level
from train.systems.triptych.networks.timbre import TONE_RMS, Profile, measure, open_frames
from train.systems.triptych.system import Triptych


@pytest.fixture(scope="module")
def system() -> Triptych:
    return make_system()


@pytest.fixture(scope="module")
def codec(system: Triptych) -> Codec:
    return Codec(system, "test")


@torch.no_grad()
def test_timbre_vector_does_not_depend_on_place_in_the_batch(system: Triptych) -> None:
    clips = [clip(index, timbre=index) for index in range(4)]

    def vectors(order: list[int]) -> torch.Tensor:
        audio = torch.from_numpy(np.stack([clips[i][0] for i in order]))
        seen = features(audio, RATE)
        notes = note_batch([clips[i][1] for i in order], RATE, audio.shape[1])
        envelope = envelope_batch([clips[i][2] for i in order])
        opened = open_frames(seen, notes, envelope, RATE, CUT_FADE_MS)
        return system.timbre_encoder.views(opened, notes, RATE).whole_BKD

    whole = vectors([0, 1, 2, 3])
    torch.testing.assert_close(vectors([3, 1, 0, 2]), whole[[3, 1, 0, 2]], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(vectors([2]), whole[[2]], atol=1e-5, rtol=1e-5)
    assert (whole[0] - whole[1]).abs().max() > 1e-3


@torch.no_grad()
def test_profile_measures_the_levels_of_harmonics(system: Triptych) -> None:
    frames, levels = 2 * RATE, [0.1, 0.05, 0.0, 0.02]
    notes = (Note(0.0, 0.8, 60, 100), Note(1.0, 0.9, 55, 60))
    time = np.arange(frames) / RATE
    dry = np.zeros(frames)
    for note, span in zip(notes, compose.spans(notes, RATE, frames), strict=True):
        f0 = 440.0 * 2.0 ** ((note.pitch - 69) / 12.0)
        tone = sum(a * np.sin(2 * np.pi * (k + 1) * f0 * time + k) for k, a in enumerate(levels))
        dry[span.onset : span.end] = tone[: span.end - span.onset]
    envelope = Envelope(20.0, 100.0, 0.5, 80.0)
    sound = (compose.gain(notes, envelope, RATE, frames, CUT_FADE_MS) * dry).astype(np.float32)
    tone_rms = np.sqrt(np.sum(np.square(levels)) / 2.0)
    seen = features(torch.from_numpy(sound)[None], RATE)
    batch = note_batch([notes], RATE, frames)
    opened = open_frames(seen, batch, envelope_batch([envelope]), RATE, CUT_FADE_MS)
    profile = measure(opened, batch, system.config, RATE)
    measured = profile.harmonic_BNK[0, :, :4].exp().numpy() * tone_rms / 0.1
    np.testing.assert_allclose(measured[:, [0, 1, 3]], np.tile([0.1, 0.05, 0.02], (2, 1)), rtol=0.08)
    assert measured[:, 2].max() < 0.002
    assert float(profile.scale_B[0]) == pytest.approx(tone_rms, rel=0.05)


@torch.no_grad()
def test_untrained_decoder_plays_the_profile_of_the_reference(system: Triptych) -> None:
    audio, notes, envelope = clip(3, timbre=2)
    timbre = timbre_extraction.timbre_of(system, passage(audio, notes), envelope)
    profile = timbre.profile
    played = play(system, notes, envelope, timbre, len(audio))
    measured, _ = timbre_extraction.timbre_of(system, passage(played, notes), envelope)
    strong = profile.harmonic_BNK[0] > profile.harmonic_BNK[0].amax() - 4.0
    difference = (measured.harmonic_BNK[0] - profile.harmonic_BNK[0])[strong]
    assert strong.sum() > 20
    assert difference.abs().median() < 0.25  # of a neper: 2 dB
    assert np.sqrt(np.mean(played**2)) == pytest.approx(np.sqrt(np.mean(audio**2)), rel=0.3)


@torch.no_grad()
def test_noise_is_not_taken_for_partials_and_played_twice(system: Triptych) -> None:
    """Odd harmonics in noise: what stands where even ones would be is noise, however often it is played."""
    frames = 2 * RATE
    notes, envelope = (Note(0.0, 1.8, 60, 100),), Envelope(5.0, 50.0, 0.9, 50.0)
    time = np.arange(frames) / RATE * 440.0 * 2.0 ** (-9.0 / 12.0)
    odd = sum(np.sin(2 * np.pi * k * time) / k for k in (1, 3, 5, 7))
    dry = 0.1 * odd + 0.03 * stream(1, "noise").normal(size=frames)
    sound = (compose.gain(notes, envelope, RATE, frames, CUT_FADE_MS) * dry).astype(np.float32)
    rounds = [timbre_extraction.timbre_of(system, passage(sound, notes), envelope)]
    for _ in range(3):
        played = play(system, notes, envelope, rounds[-1], frames)
        rounds.append(timbre_extraction.timbre_of(system, passage(played, notes), envelope))
    levels = torch.stack([timbre.profile.harmonic_BNK[0, 0, :8] for timbre in rounds])
    above = (levels[:, 0::2] - levels[:, 1::2].logsumexp(1, keepdim=True)).amin(1)
    assert above[0] > 2.0
    assert (above[1:] > above[0] - 0.5).all()
    noise = torch.stack([timbre.profile.noise_BNW[0, 0] for timbre in rounds]).exp().square().mean(1).sqrt()
    np.testing.assert_allclose(noise[1:], float(noise[0]), rtol=0.15)


@pytest.mark.parametrize("pitch", [40, 48, 60])
def test_what_steady_partials_leak_is_not_heard_as_noise(pitch: int) -> None:
    """The lower a note, the nearer are its partials; white noise beside them reads as loud as it is."""
    time = np.arange(8 * 4096) / RATE * 440.0 * 2.0 ** ((pitch - 69) / 12.0)
    tone = 0.1 * sum(np.sin(2 * np.pi * k * time + k) / k for k in range(1, 30))
    hiss = stream(1, "hiss").normal(size=len(time))
    heard = []
    for noise in (0.0, 0.01):
        seen = features(torch.from_numpy(tone + noise * hiss).float()[None], RATE)
        power = seen.long_BGC[:, 4:-4].square().mean(1, keepdim=True)
        levels = noise_level(power, torch.tensor([[440.0 * 2.0 ** ((pitch - 69) / 12.0)]]), 24, RATE)
        heard.append(levels[0, 0].exp().numpy())
    assert heard[0].max() < 0.03
    np.testing.assert_allclose(np.median(heard[1]), 0.01, rtol=0.3)


@pytest.mark.parametrize("pitch", [40.0, 60.0, 84.0])
@torch.no_grad()
def test_every_decoded_tone_has_the_level_of_rendered_tones(system: Triptych, pitch: float) -> None:
    """Whatever was measured: rendered tones have an RMS of 0.1, so decoded ones have it too."""
    draws = torch.from_numpy(0.4 * stream(3, "levels", int(pitch)).normal(size=(6, 104))).float()
    harmonic = -3.0 - 0.7 * torch.arange(1.0, 65.0).log() + draws[:, :64]
    profile = Profile(
        harmonic[:, None], draws[:, None, 64:80] - 7.0, draws[:, None, 80:] - 9.0,
        torch.full((6, 1), 60.0), torch.zeros(6, 1), torch.ones(6), torch.ones(6),
    )  # fmt: skip
    vector = torch.zeros(6, 1, SIZES["timbre_dims"])
    tone = system.decoder(profile, vector, torch.arange(6), torch.full((6,), pitch), torch.zeros(6), 22_016)
    decibel = 20.0 * (tone.square().mean(1).sqrt() / TONE_RMS).log10()
    assert decibel.abs().max() < 1.0


def test_a_timbre_does_not_depend_on_level(codec: Codec) -> None:
    audio, _, _ = clip(5, 1.0)
    loud, quiet = (codec.encode(level * audio).timbre for level in (1.0, 0.05))
    for name in ("harmonic_BNK", "noise_BNW", "vectors"):
        torch.testing.assert_close(loud[name], quiet[name], atol=1e-2, rtol=1e-2)
    assert float(quiet["level_B"][0]) == pytest.approx(0.05 * float(loud["level_B"][0]), rel=1e-3)


def test_bf16_hears_and_plays_what_fp32_does(system: Triptych) -> None:
    """Under autocast: the trunks in bf16, spectra, phases, gains and pooling in fp32."""
    audio, notes, envelope = clip(2, 1.0)

    @torch.no_grad()
    def run(enabled: bool) -> tuple[torch.Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            heard = passage(audio, notes)
            logits = system.encoder(heard.features)
            timbre = timbre_extraction.timbre_of(system, heard, envelope)
            played = torch.from_numpy(np.array(play(system, notes, envelope, timbre, len(audio))))
            guess = system.envelope_head(heard.features.level_BL, heard.notes).clip_BP
        return logits.onset_BS, logits.pitch_BGP, timbre.vectors, guess, played

    for half, whole in zip(run(True), run(False), strict=True):
        assert torch.isfinite(half.float()).all()
        assert float((half.float() - whole).abs().mean()) < 0.03 * float(whole.abs().mean() + 0.03)
