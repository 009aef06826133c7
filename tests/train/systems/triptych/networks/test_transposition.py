"""Corrections of transposed tones: none at a tone's own pitch, learned from differences between pitches."""

from __future__ import annotations

import torch

from tests.support.training.tiny_codec import RATE, make_system
from train.nn.gain import NoteBatch
from train.systems.triptych.networks.partials import midi_to_hz
from train.systems.triptych.networks.timbre import Profile
from train.systems.triptych.networks.transposition import keep_power
from train.systems.triptych.system import Triptych

PITCHES = (48.0, 53.0, 57.0, 60.0, 64.0)


def filtered_clips(count: int) -> tuple[Profile, torch.Tensor, NoteBatch]:
    """Makes clips whose partials pass a filter at a fixed frequency, which does not follow the key."""
    generator = torch.Generator().manual_seed(5)
    pitch_BN = torch.tensor(PITCHES).expand(count, -1).contiguous()
    corner_B11 = 400.0 * torch.exp2(2.0 * torch.rand(count, generator=generator))[:, None, None]
    number_K = torch.arange(1, 65)
    hertz_BNK = midi_to_hz(pitch_BN)[..., None] * number_K

    def level(hertz: torch.Tensor) -> torch.Tensor:
        return -(1.0 + (hertz / corner_B11).square()).log()

    harmonic_BNK = level(hertz_BNK) - number_K.log()
    bins_C = torch.linspace(0.0, RATE / 2.0, 2049)
    number_BNC = bins_C / midi_to_hz(pitch_BN)[..., None]
    nearest_BNC = number_BNC.round().clamp(min=1.0)
    away_BNC = (number_BNC - nearest_BNC).abs() * midi_to_hz(pitch_BN)[..., None] / 20.0
    log_BNC = level(nearest_BNC * midi_to_hz(pitch_BN)[..., None]) - nearest_BNC.log() - away_BNC.square()
    zero = torch.zeros(count, len(PITCHES))
    silent, one = zero[..., None] - 14.0, torch.ones(count)
    profile = Profile(harmonic_BNK, silent, silent, pitch_BN, zero, one, one)
    notes = NoteBatch(zero, zero, zero, zero + 1.0, pitch_BN, torch.ones_like(zero, dtype=torch.bool))
    return profile, (2.0 * log_BNC.clamp(min=-12.0)).exp(), notes


def trained(steps: int) -> tuple[Triptych, list[float]]:
    """Trains a system's transposition on filtered clips."""
    torch.manual_seed(1)
    system = make_system()
    optimiser = torch.optim.Adam(system.transposition.parameters(), lr=1e-2)
    profile, power_BNC, notes = filtered_clips(16)
    vectors = torch.zeros(16, 1, system.config.timbre_dims)
    losses = []
    for _ in range(steps):
        loss = system.transposition.loss(profile, power_BNC, vectors, notes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return system, losses


def test_a_filter_that_does_not_follow_the_key_is_learned() -> None:
    system, losses = trained(150)
    assert sum(losses[-10:]) < 0.87 * sum(losses[:10])
    profile, _, _ = filtered_clips(1)
    vectors = torch.zeros(1, 1, system.config.timbre_dims)
    row = torch.zeros(1, dtype=torch.long)
    correction = system.transposition(profile, vectors, row, torch.tensor([48.0]), torch.tensor([60.0]))[0]
    assert correction[8] < correction[0]  # played higher, its upper harmonics are softer


def test_corrections_are_exactly_neutral_at_the_same_pitch_and_keep_the_power() -> None:
    system, _ = trained(5)
    profile, _, _ = filtered_clips(3)
    vectors = torch.ones(3, 1, system.config.timbre_dims)
    clip, pitch = torch.arange(3), torch.tensor([48.0, 57.0, 64.0])
    assert not system.transposition(profile, vectors, clip, pitch, pitch).any()
    moved = system.transposition(profile, vectors, clip, pitch, pitch + 3.0)
    assert moved.abs().amax() > 1e-3
    level = profile.harmonic_BNK[clip, [0, 2, 4]]
    power, changed = ((2.0 * part).exp().sum(1) for part in (level, level + moved))
    torch.testing.assert_close(changed, power, rtol=1e-4, atol=0.0)


def test_keep_power_takes_out_a_common_change() -> None:
    level = torch.tensor([[0.0, -1.0, -3.0]])
    torch.testing.assert_close(
        keep_power(level, torch.full((1, 3), 0.7)), torch.zeros(1, 3), atol=1e-6, rtol=0.0
    )


def test_clips_of_one_pitch_teach_nothing() -> None:
    system = make_system()
    profile, power_BNC, notes = filtered_clips(2)
    same = torch.full_like(notes.pitch_BN, 60.0)
    loss = system.transposition.loss(
        profile._replace(pitch_BN=same), power_BNC, torch.zeros(2, 1, system.config.timbre_dims),
        notes._replace(pitch_BN=same),
    )  # fmt: skip
    assert float(loss) == 0.0
