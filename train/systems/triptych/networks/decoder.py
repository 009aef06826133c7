"""Decodes dry tones of given pitches in a given timbre, as the renderer's tone sets hold them.

Each note is one row and is decoded alone, from its own onset: no note affects another. A span is cut out of
its tone exactly as `manifests.synthesis.compose.dry` does. Three excitations with exact phase (all harmonics
of f0; the odd ones of f0/2; noise) are filtered frame by frame and overlap-added, a harmonic-plus-noise
model. The network starts from the profile measured in the reference, transposed to the note's pitch, and
predicts corrections to it, conditioned on the timbre vector.

Shape suffixes: R rows (notes), N notes of the reference, F frames, K harmonics (or timbre vectors), H
subharmonics, W noise bands, C bins or channels, D numbers of a vector, T samples.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.nn.layers import ConvNeXt
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.networks.excitation import (
    HOP,
    WINDOW,
    frame_spectra,
    noise_positions,
    overlap_add,
    partial_positions,
    pulse_train,
)
from train.systems.triptych.networks.partials import (
    SILENCE_LEVEL,
    interpolate_levels,
    levels_at_frequencies,
    midi_to_hz,
)
from train.systems.triptych.networks.timbre import Profile
from train.systems.triptych.networks.tone_level import TONE_RMS, noise_shares, tone_power

NOISE_SAMPLES = 1 << 19
"""Length of the stored noise from which every row's noise is read."""
MAX_LEVEL_DEVIATION = 0.25
"""Largest deviation of a frame from the level of all tones, in natural logarithms: 2.2 dB."""
NEUTRAL_LEVEL = -5.0
"""The level that replaces those of the profile if it is not used."""


class TransposedProfile(NamedTuple):
    """A profile transposed to the pitches of R notes. Levels are natural logarithms of amplitudes.

    Attributes:
        by_number_RK: harmonics that keep their numbers.
        by_frequency_RK: harmonics that keep their frequencies.
        subharmonic_RH: subharmonics, which keep their numbers.
        noise_RW: noise bands.
        distance_R: distance in semitones from the reference's notes.
    """

    by_number_RK: Tensor
    by_frequency_RK: Tensor
    subharmonic_RH: Tensor
    noise_RW: Tensor
    distance_R: Tensor


def transpose_profile(profile: Profile, clip_R: Tensor, pitch_R: Tensor, spread: Tensor) -> TransposedProfile:
    """Transposes profiles to the pitches of notes, averaging the reference's notes by nearness in pitch.

    Args:
        profile: profiles of B clips.
        clip_R: index of the clip whose profile each row has.
        pitch_R: MIDI pitch of each row.
        spread: distance in semitones over which a reference note's weight falls by a factor of e.
    """
    pitch_RN = profile.pitch_BN[clip_R]
    distance_RN = pitch_R[:, None] - pitch_RN
    weight = (profile.confidence_BN[clip_R] - distance_RN.abs() / spread).softmax(-1)
    by_number = torch.einsum("rn,rnk->rk", weight, profile.harmonic_BNK[clip_R])
    subharmonic = torch.einsum("rn,rnk->rk", weight, profile.subharmonic_BNH[clip_R])
    noise = torch.einsum("rn,rnk->rk", weight, profile.noise_BNW[clip_R])
    shifted = levels_at_frequencies(profile.harmonic_BNK[clip_R], distance_RN)
    by_frequency = torch.einsum("rn,rnk->rk", weight, shifted)
    return TransposedProfile(by_number, by_frequency, subharmonic, noise, (weight * distance_RN).sum(-1))


def without_profile(transposed: TransposedProfile) -> TransposedProfile:
    """Replaces all levels by `NEUTRAL_LEVEL` and the distances by 0."""
    levels = (torch.full_like(part, NEUTRAL_LEVEL) for part in transposed[:4])
    return TransposedProfile._make([*levels, transposed.distance_R * 0.0])


class Decoder(nn.Module):
    """Decodes notes in a timbre into dry tones of RMS near 0.1.

    Example::

        tones_RT = decoder(profile, vector_BKD, clip_R, pitch_R, torch.zeros_like(pitch_R), samples=22_050)
    """

    noise: Tensor
    noise_shares: Tensor

    def __init__(self, config: TriptychConfig, rate: int) -> None:
        super().__init__()
        self.config = config
        self.rate = rate
        width = config.decoder_width
        self.sizes = (config.harmonics, config.harmonics, config.subharmonics, config.noise_bands)
        inputs = 2 * config.harmonics + config.subharmonics + config.noise_bands
        self.enter = nn.Linear(inputs, width)
        self.place = nn.Linear(9, width)
        self.tokens = TokenAttention(width, config.timbre_dims) if config.timbre_tokens else None
        self.blocks = nn.ModuleList(
            ConvNeXt(width, condition=config.timbre_dims) for _ in range(config.decoder_blocks)
        )
        self.leave = nn.Linear(width, sum(self.sizes) + 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.spread = nn.Parameter(torch.tensor(1.5))
        generator = torch.Generator().manual_seed(20_011)
        noise = torch.randn(NOISE_SAMPLES, generator=generator)
        self.register_buffer("noise", noise, persistent=False)
        self.register_buffer("noise_shares", noise_shares(config.noise_bands, rate), persistent=False)

    def forward(
        self,
        profile: Profile,
        vector_BKD: Tensor,
        clip_R: Tensor,
        pitch_R: Tensor,
        start_R: Tensor,
        samples: int,
        length_R: Tensor | None = None,
        noise_seed_R: Tensor | None = None,
    ) -> Tensor:
        """Decodes `samples` of each tone, float32 [R, samples].

        Args:
            profile: profiles of B clips.
            vector_BKD: timbre vectors of B clips.
            clip_R: index of the clip whose timbre each row has, int64.
            pitch_R: MIDI pitch of each row.
            start_R: sample of the tone at which the row begins.
            samples: length of all rows.
            length_R: wanted length of each row, if shorter. What is within it does not depend on longer rows.
            noise_seed_R: integer that selects each row's noise; the row's index by default.
        """
        count = len(pitch_R)
        transposed = transpose_profile(profile, clip_R, pitch_R, self.spread.abs() + 0.2)
        if not self.config.profile:
            transposed = without_profile(transposed)
        frames = math.ceil(samples / HOP) + 4
        frame_F = torch.arange(frames, device=pitch_R.device)
        first_RF = start_R[:, None] + (frame_F - 2) * HOP
        inside_RF = None if length_R is None else frame_F < (length_R[:, None] / HOP).ceil() + 4
        harmonic, subharmonic, noise = self._predict_levels(
            transposed, vector_BKD[clip_R], pitch_R, first_RF / self.rate, inside_RF
        )
        noise_seed_R = torch.arange(count, device=pitch_R.device) if noise_seed_R is None else noise_seed_R
        with torch.autocast(pitch_R.device.type, enabled=False):
            return self._synthesise(
                harmonic.float(), subharmonic.float(), noise.float(), pitch_R, start_R, noise_seed_R, samples
            )

    def _predict_levels(
        self,
        transposed: TransposedProfile,
        vector_RKD: Tensor,
        pitch_R: Tensor,
        time_RF: Tensor,
        inside_RF: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predicts log levels of harmonics [R, F, K], subharmonics [R, F, H] and noise bands [R, F, W]."""
        profile = torch.cat(transposed[:4], -1)
        h = self.enter((profile.clamp(min=SILENCE_LEVEL) + 7.0) / 4.0)[:, None] + self.place(
            position_features(pitch_R, transposed.distance_R, time_RF)
        )
        if self.tokens is not None:
            h = h + self.tokens(h, vector_RKD[:, 1:])
        for block in self.blocks:
            h = block(h if inside_RF is None else h * inside_RF[..., None], vector_RKD[:, 0])
        return self.output_levels(F.gelu(h), transposed, pitch_R)

    def output_levels(
        self, h_RFC: Tensor, transposed: TransposedProfile, pitch_R: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Computes the log levels of `_predict_levels` from the trunk's output, at the level of all tones."""
        mix, harmonic, subharmonic, noise, deviation = self.leave(h_RFC).split((*self.sizes, 1), dim=-1)
        base = torch.lerp(
            transposed.by_frequency_RK[:, None], transposed.by_number_RK[:, None], torch.sigmoid(mix + 0.7)
        )
        levels = (
            (base + harmonic).clamp(SILENCE_LEVEL, 2.0),
            (transposed.subharmonic_RH[:, None] + subharmonic).clamp(SILENCE_LEVEL, 2.0),
            (transposed.noise_RW[:, None] + noise).clamp(SILENCE_LEVEL, 2.0),
        )
        power_RF = tone_power(*levels, (self.rate / 2.0 / midi_to_hz(pitch_R))[:, None], self.noise_shares)
        offset = (
            MAX_LEVEL_DEVIATION * torch.tanh(deviation) + math.log(TONE_RMS) - 0.5 * power_RF.log()[..., None]
        )
        return levels[0] + offset, levels[1] + offset, levels[2] + offset

    def _synthesise(
        self,
        harmonic: Tensor,
        subharmonic: Tensor,
        noise: Tensor,
        pitch_R: Tensor,
        start_R: Tensor,
        noise_seed_R: Tensor,
        samples: int,
    ) -> Tensor:
        """Filters the excitations with log levels and overlap-adds the frames: float32 [R, samples]."""
        frames = harmonic.shape[1]
        f0 = midi_to_hz(pitch_R)
        bins = torch.arange(WINDOW // 2 + 1, device=f0.device) * (self.rate / WINDOW)
        length = (frames - 1) * HOP + WINDOW
        time = start_R.long()[:, None] - 2 * HOP - WINDOW // 2 + torch.arange(length, device=f0.device)
        with torch.no_grad():
            phase = (time.double() * (f0.double() / self.rate)[:, None]).remainder(2.0)
            harmonic_pulses = pulse_train(phase.remainder(1.0), (self.rate / 2.0 / f0).floor())
            all_pulses = pulse_train((phase / 2.0).remainder(1.0), (self.rate / f0).floor())
            subharmonic_pulses = all_pulses - harmonic_pulses
            white_noise = self.noise[(time + 7919 * noise_seed_R[:, None]) % NOISE_SAMPLES]
        number = bins / f0[:, None]
        position = partial_positions(number - 1.0, f0, self.rate)
        total = frame_spectra(harmonic_pulses) * interpolate_levels(harmonic, position).exp()
        if subharmonic.shape[-1]:
            position = partial_positions(number - 0.5, f0, self.rate)
            total = (
                total + frame_spectra(subharmonic_pulses) * interpolate_levels(subharmonic, position).exp()
            )
        position = noise_positions(noise.shape[-1], self.rate, f0.device).expand(len(f0), -1)
        total = total + frame_spectra(white_noise) * interpolate_levels(noise, position).exp()
        return overlap_add(total)[:, 2 * HOP + WINDOW // 2 :][:, :samples]


class TokenAttention(nn.Module):
    """Lets frames [R, F, C] attend to a timbre's tokens [R, K, D]; its output is zero at initialisation."""

    def __init__(self, width: int, dims: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.ask = nn.Linear(width, width)
        self.answer = nn.Linear(dims, 2 * width)
        self.leave = nn.Linear(width, width)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, h_RFC: Tensor, tokens_RKD: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.ask(h_RFC), *self.answer(tokens_RKD).chunk(2, dim=-1))
        )
        read = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.leave(read.transpose(1, 2).flatten(2))
        return out


def position_features(pitch_R: Tensor, distance_R: Tensor, time_RF: Tensor) -> Tensor:
    """Computes features of pitch, distance from the reference and time since the onset, near 1: [R, F, 9]."""
    time = time_RF.clamp(min=0.0)
    constant = torch.stack([(pitch_R - 60.0) / 12.0, distance_R / 6.0], dim=-1)[:, None].expand(
        -1, time.shape[1], -1
    )
    decays = [torch.exp(-time / tau) for tau in (0.01, 0.03, 0.1, 0.3, 1.0)]
    varying = torch.stack([*decays, time.clamp(max=4.0), (time_RF < 0).float()], dim=-1)
    return torch.cat([constant, varying], dim=-1)
