"""The timbre: measured of a reference, independent of level and of its place in a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support.synthetic_dataset import CUT_FADE_MS
from tests.support.training.tiny_codec import RATE, make_clip
from train.codec.api import Codec
from train.nn.gain import envelope_batch, note_batch
from train.systems.triptych.networks.features import extract_features
from train.systems.triptych.networks.timbre import divide_out_gain, measure_profile
from train.systems.triptych.system import Triptych


@torch.no_grad()
def test_timbre_vector_does_not_depend_on_place_in_the_batch(system: Triptych) -> None:
    clips = [make_clip(index, timbre=index) for index in range(4)]

    def vectors(order: list[int]) -> torch.Tensor:
        audio = torch.from_numpy(np.stack([clips[i][0] for i in order]))
        spectra = extract_features(audio, RATE)
        notes = note_batch([clips[i][1] for i in order], RATE, audio.shape[1])
        envelope = envelope_batch([clips[i][2] for i in order])
        normalized = divide_out_gain(spectra, notes, envelope, RATE, CUT_FADE_MS)
        return system.timbre_encoder.views(normalized, notes, RATE).whole_BKD

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
    spectra = extract_features(torch.from_numpy(sound)[None], RATE)
    batch = note_batch([notes], RATE, frames)
    normalized = divide_out_gain(spectra, batch, envelope_batch([envelope]), RATE, CUT_FADE_MS)
    profile = measure_profile(normalized, batch, system.config, RATE)
    measured = profile.harmonic_BNK[0, :, :4].exp().numpy() * tone_rms / 0.1
    np.testing.assert_allclose(measured[:, [0, 1, 3]], np.tile([0.1, 0.05, 0.02], (2, 1)), rtol=0.08)
    assert measured[:, 2].max() < 0.002
    assert float(profile.scale_B[0]) == pytest.approx(tone_rms, rel=0.05)


def test_a_timbre_does_not_depend_on_level(codec: Codec) -> None:
    audio, _, _ = make_clip(5, 1.0)
    loud, quiet = (codec.encode(level * audio).timbre for level in (1.0, 0.05))
    for name in ("harmonic_BNK", "noise_BNW", "vectors"):
        torch.testing.assert_close(loud[name], quiet[name], atol=1e-2, rtol=1e-2)
    assert float(quiet["level_B"][0]) == pytest.approx(0.05 * float(loud["level_B"][0]), rel=1e-3)
