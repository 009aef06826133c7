"""The dry decoder: tones of given pitches in a given timbre, as the renderer's tone sets hold them.

Each note is one row and is played alone, from its own onset: nothing leaks between notes, and a span is
cut out of its tone exactly as `manifests.synthesis.compose.dry` does. Three excitations with exact phase (all
harmonics of f0; the odd ones of f0/2; noise) are multiplied, frame by frame, with filters that the network
sets: it starts from the profile measured in the reference, moved to the note's pitch, and learns what to
add, conditioned on the timbre vector. Overlap-add gives the sound.

R rows (notes), N notes of the reference, F frames, K harmonics, H halves, W noise bands, C bins, T samples.
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
    noise_place,
    overlap_add,
    partial_place,
    pulses,
)
from train.systems.triptych.networks.partials import SILENT, between, hertz
from train.systems.triptych.networks.timbre import TONE_RMS, Profile
from train.systems.triptych.networks.tone_level import noise_shares, tone_power

NOISE_SAMPLES = 1 << 19
LOUDER = 0.25
"""How far a frame may be above or below the level of all tones: in natural logarithms, 2.2 dB."""
UNKNOWN = -5.0
"""The log level that stands for a profile which is not used."""


class Moved(NamedTuple):
    """A profile moved to the pitches of R notes: by harmonic number, by frequency, and what is the same."""

    by_number_RK: Tensor
    by_frequency_RK: Tensor
    half_RH: Tensor
    noise_RW: Tensor
    away_R: Tensor


def move(profile: Profile, clip_R: Tensor, pitch_R: Tensor, spread: Tensor) -> Moved:
    """The profile of clip `clip_R` for each note: its reference notes weighted by nearness in pitch."""
    pitch_RN = profile.pitch_BN[clip_R]
    away = pitch_R[:, None] - pitch_RN
    weight = (profile.confidence_BN[clip_R] - away.abs() / spread).softmax(-1)
    number = torch.einsum("rn,rnk->rk", weight, profile.harmonic_BNK[clip_R])
    half = torch.einsum("rn,rnk->rk", weight, profile.half_BNH[clip_R])
    noise = torch.einsum("rn,rnk->rk", weight, profile.noise_BNW[clip_R])
    harmonics = number.shape[1]
    ratio = torch.exp2(away / 12.0)[..., None]
    at = (torch.arange(1, harmonics + 1, device=away.device) * ratio - 1.0).clamp(0.0, harmonics - 1.0)
    low = at.floor().long().clamp(max=harmonics - 2)
    levels = profile.harmonic_BNK[clip_R]
    moved = torch.lerp(levels.gather(-1, low), levels.gather(-1, low + 1), at - low)
    frequency = torch.einsum("rn,rnk->rk", weight, moved)
    return Moved(number, frequency, half, noise, (weight * away).sum(-1))


class Decoder(nn.Module):
    """Notes in a timbre -> dry tones [R, T] of RMS near 0.1."""

    noise: Tensor
    noise_shares: Tensor

    def __init__(self, config: TriptychConfig, rate: int) -> None:
        super().__init__()
        self.config = config
        self.rate = rate
        width = config.decoder_width
        self.sizes = (config.harmonics, config.harmonics, config.halves, config.noise_bands)
        inputs = 2 * config.harmonics + config.halves + config.noise_bands
        self.enter = nn.Linear(inputs, width)
        self.place = nn.Linear(9, width)
        self.tokens = TokenReader(width, config.timbre_dims) if config.timbre_tokens else None
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
        hiss_R: Tensor | None = None,
    ) -> Tensor:
        """`samples` of each tone from sample `start_R` of it on; `clip_R` says which clip's timbre it has.

        Where `length_R` says how many samples of a row are wanted, these do not depend on what longer
        rows stand beside it; `hiss_R` are whole numbers, one for each stretch of noise.
        """
        count = len(pitch_R)
        moved = move(profile, clip_R, pitch_R, self.spread.abs() + 0.2)
        if not self.config.profile:
            moved = Moved._make([*(torch.full_like(part, UNKNOWN) for part in moved[:4]), moved.away_R * 0.0])
        frames = math.ceil(samples / HOP) + 4
        place_F = torch.arange(frames, device=pitch_R.device)
        first_RF = start_R[:, None] + (place_F - 2) * HOP
        inside_RF = None if length_R is None else place_F < (length_R[:, None] / HOP).ceil() + 4
        harmonic, half, noise = self._levels(
            moved, vector_BKD[clip_R], pitch_R, first_RF / self.rate, inside_RF
        )
        hiss_R = torch.arange(count, device=pitch_R.device) if hiss_R is None else hiss_R
        with torch.autocast(pitch_R.device.type, enabled=False):
            return self._play(
                harmonic.float(), half.float(), noise.float(), pitch_R, start_R, hiss_R, samples
            )

    def _levels(
        self,
        moved: Moved,
        vector_RKD: Tensor,
        pitch_R: Tensor,
        time_RF: Tensor,
        inside_RF: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log levels of harmonics [R, F, K], halves [R, F, H] and noise bands [R, F, W]."""
        profile = torch.cat([moved.by_number_RK, moved.by_frequency_RK, moved.half_RH, moved.noise_RW], -1)
        h = self.enter((profile.clamp(min=SILENT) + 7.0) / 4.0)[:, None] + self.place(
            place_features(pitch_R, moved.away_R, time_RF)
        )
        if self.tokens is not None:
            h = h + self.tokens(h, vector_RKD[:, 1:])
        for block in self.blocks:
            h = block(h if inside_RF is None else h * inside_RF[..., None], vector_RKD[:, 0])
        return self.filters(F.gelu(h), moved, pitch_R)

    def filters(self, h_RFC: Tensor, moved: Moved, pitch_R: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The last layer: log levels as of `_levels`, of what the trunk made of each frame."""
        mix, harmonic, half, noise, louder = self.leave(h_RFC).split((*self.sizes, 1), dim=-1)
        base = torch.lerp(
            moved.by_frequency_RK[:, None], moved.by_number_RK[:, None], torch.sigmoid(mix + 0.7)
        )
        levels = (
            (base + harmonic).clamp(SILENT, 2.0),
            (moved.half_RH[:, None] + half).clamp(SILENT, 2.0),
            (moved.noise_RW[:, None] + noise).clamp(SILENT, 2.0),
        )
        power_RF = tone_power(*levels, (self.rate / 2.0 / hertz(pitch_R))[:, None], self.noise_shares)
        shift = LOUDER * torch.tanh(louder) + math.log(TONE_RMS) - 0.5 * power_RF.log()[..., None]
        return levels[0] + shift, levels[1] + shift, levels[2] + shift

    def _play(
        self,
        harmonic: Tensor,
        half: Tensor,
        noise: Tensor,
        pitch_R: Tensor,
        start_R: Tensor,
        hiss_R: Tensor,
        samples: int,
    ) -> Tensor:
        frames = harmonic.shape[1]
        f0 = hertz(pitch_R)
        bins = torch.arange(WINDOW // 2 + 1, device=f0.device) * (self.rate / WINDOW)
        length = (frames - 1) * HOP + WINDOW
        time = start_R.long()[:, None] - 2 * HOP - WINDOW // 2 + torch.arange(length, device=f0.device)
        with torch.no_grad():
            phase = (time.double() * (f0.double() / self.rate)[:, None]).remainder(2.0)
            whole = pulses(phase.remainder(1.0), (self.rate / 2.0 / f0).floor())
            below = pulses((phase / 2.0).remainder(1.0), (self.rate / f0).floor()) - whole
            hiss = self.noise[(time + 7919 * hiss_R[:, None]) % NOISE_SAMPLES]
        number = bins / f0[:, None]
        place = partial_place(number - 1.0, f0, self.rate)
        total = frame_spectra(whole) * between(harmonic, place).exp()
        if half.shape[-1]:
            place = partial_place(number - 0.5, f0, self.rate)
            total = total + frame_spectra(below) * between(half, place).exp()
        place = noise_place(noise.shape[-1], self.rate, f0.device).expand(len(f0), -1)
        total = total + frame_spectra(hiss) * between(noise, place).exp()
        return overlap_add(total)[:, 2 * HOP + WINDOW // 2 :][:, :samples]


class TokenReader(nn.Module):
    """Attention of frames [R, F, C] over a timbre's tokens [R, K, D], four heads; starts at nothing."""

    def __init__(self, width: int, dims: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.ask = nn.Linear(width, width)
        self.answer = nn.Linear(dims, 2 * width)
        self.leave = nn.Linear(width, width)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, h_RFC: Tensor, tokens_RKD: Tensor) -> Tensor:
        asked, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.ask(h_RFC), *self.answer(tokens_RKD).chunk(2, dim=-1))
        )
        read = F.scaled_dot_product_attention(asked, key, value)
        told: Tensor = self.leave(read.transpose(1, 2).flatten(2))
        return told


def place_features(pitch_R: Tensor, away_R: Tensor, time_RF: Tensor) -> Tensor:
    """Pitch, distance from what was measured and time since the onset, as numbers near 1: [R, F, 9]."""
    time = time_RF.clamp(min=0.0)
    same = torch.stack([(pitch_R - 60.0) / 12.0, away_R / 6.0], dim=-1)[:, None].expand(-1, time.shape[1], -1)
    passing = [torch.exp(-time / tau) for tau in (0.01, 0.03, 0.1, 0.3, 1.0)]
    moving = torch.stack([*passing, time.clamp(max=4.0), (time_RF < 0).float()], dim=-1)
    return torch.cat([same, moving], dim=-1)
