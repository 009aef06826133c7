"""The decoder: every decoded tone has the level of rendered tones."""

from __future__ import annotations

import pytest
import torch

from manifests.splits.seeds import stream
from tests.support.training.tiny_codec import SIZES
from train.systems.triptych.networks.timbre import Profile
from train.systems.triptych.networks.tone_level import TONE_RMS
from train.systems.triptych.system import Triptych


@pytest.mark.parametrize("pitch", [40.0, 60.0, 84.0])
@torch.no_grad()
def test_every_decoded_tone_has_the_level_of_rendered_tones(system: Triptych, pitch: float) -> None:
    """Decoded tones have an RMS of 0.1, as rendered tones do, whatever was measured."""
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
