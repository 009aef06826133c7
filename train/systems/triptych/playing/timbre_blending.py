"""Interpolates between two timbres.

Shape suffixes: N pitches, R rows, S samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.systems.triptych.networks.decoder import transpose_profile
from train.systems.triptych.networks.features import LOWEST_PITCH, PITCHES
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.timbre import Profile, Timbre
from train.systems.triptych.networks.tone_level import TONE_RMS
from train.systems.triptych.networks.tones import MOST_TONES, PADDING, Tones, pack_tones
from train.systems.triptych.playing.tone_playing import ToneRows, play_tones

BLENDED_S = 1.5
"""Seconds of a blended tone."""


class TimbreBlend:
    """Two timbres to interpolate between: levels in decibels, vectors and tones as they are.

    Both profiles are first transposed to a common set of pitches, all 88 keys, and both timbres play the
    pitches at which either has a tone. That is done once; `at` is then quick. If either has no tones, so has
    the result.
    """

    def __init__(self, model: TriptychModel, start: Timbre, end: Timbre) -> None:
        self._model, self._start, self._end = model, start, end
        pitch_N = torch.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES, device=start.vectors.device).float()
        clip_N = torch.zeros(PITCHES, dtype=torch.long, device=pitch_N.device)
        spread = model.decoder.spread.abs() + 0.2
        self._pitch_N = pitch_N
        self._profiles = [
            transpose_profile(timbre.profile, clip_N, pitch_N, spread) for timbre in (start, end)
        ]
        self._pitches: list[float] = []
        self._tones: list[Tensor] = []
        if start.tones is not None and end.tones is not None:
            self._pitches = sorted({*start.tones.pitch_N.tolist(), *end.tones.pitch_N.tolist()})[:MOST_TONES]
            pitch_R = torch.tensor(self._pitches, device=start.vectors.device)
            samples = round(BLENDED_S * model.format.rate)
            length_R = torch.full_like(pitch_R, float(samples))
            seed_R = torch.arange(len(pitch_R), device=pitch_R.device)
            rows = ToneRows(pitch_R, torch.zeros_like(pitch_R), length_R, seed_R)
            self._tones = [play_tones(model, timbre, rows, samples) for timbre in (start, end)]

    def at(self, share: float) -> Timbre:
        """Interpolates: `share` 0 is the start, 1 the end."""
        start, end = self._start, self._end
        first, second = self._profiles
        profile = Profile(
            torch.lerp(first.by_number_RK, second.by_number_RK, share)[None],
            torch.lerp(first.subharmonic_RH, second.subharmonic_RH, share)[None],
            torch.lerp(first.noise_RW, second.noise_RW, share)[None],
            self._pitch_N[None],
            torch.zeros_like(self._pitch_N)[None],
            torch.lerp(start.profile.scale_B.log(), end.profile.scale_B.log(), share).exp(),
            torch.lerp(start.profile.level_B.log(), end.profile.level_B.log(), share).exp(),
        )
        tones = self._blend_tones(share) if self._tones else None
        return Timbre(profile, torch.lerp(start.vectors, end.vectors, share), tones)

    def _blend_tones(self, share: float) -> Tones:
        """Mixes the tones of both timbres."""
        first_RS, second_RS = self._tones
        mixed_RS = torch.lerp(first_RS, second_RS, share)
        # Waves that cancel each other would make a blend softer than both.
        levels = [part.square().mean(1).sqrt().clamp(min=1e-6) for part in (first_RS, second_RS, mixed_RS)]
        level_R = torch.lerp(levels[0].log(), levels[1].log(), share).exp()
        mixed_RS = mixed_RS * (level_R / levels[2])[:, None]
        padded_RS = torch.nn.functional.pad(mixed_RS, (0, PADDING))
        relative = (level_R / TONE_RMS).tolist()
        return pack_tones(
            {
                pitch: (sound, level)
                for pitch, sound, level in zip(self._pitches, padded_RS, relative, strict=True)
            },
            self._model.format.rate,
        )


def interpolate_timbre(model: TriptychModel, start: Timbre, end: Timbre, share: float) -> Timbre:
    """Interpolates once between two timbres, see `TimbreBlend`."""
    return TimbreBlend(model, start, end).at(share)
