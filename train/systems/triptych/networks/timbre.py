"""Measures the profile of a clip's timbre: levels of partials and noise, with the gain divided out.

The profile is analytic, so it exists for timbres unlike any in training. For each note it holds the levels at
multiples of f0/4. Multiples of 4 are harmonics, the other even ones belong to a voice an octave below, and
the odd ones hold noise only. It is estimated by power (the sum of the power over the sum of the squared
gains), so that quiet frames count little. `timbre_encoder` computes the learned part of a timbre.

Shape suffixes: B clips, N notes, G frames of 1024 samples, C bins, K harmonics, H subharmonics, W noise
bands, L level steps of 64 samples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from train.nn.gain import EnvelopeBatch, NoteBatch, clip_gain
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.networks.features import LEVEL_HOP, LONG_HOP, LONG_WINDOW, Features
from train.systems.triptych.networks.partials import midi_to_hz, noise_levels, partial_levels, subtract_noise
from train.systems.triptych.networks.tone_level import TONE_RMS
from train.systems.triptych.networks.tones import Tones


class Profile(NamedTuple):
    """The profile measured in each note of B clips. Levels are natural logarithms of amplitudes.

    Attributes:
        harmonic_BNK: levels at k f0, k = 1..K.
        subharmonic_BNH: levels at (k + 1/2) f0, k = 0..H-1.
        noise_BNW: log RMS per sample in fixed bands.
        pitch_BN: MIDI pitch.
        confidence_BN: logarithm of the summed squared gain of each note.
        scale_B: RMS of the clip at unit gain.
        level_B: RMS of the clip where it is loudest: at its highest gain, or, for a timbre that is played,
            as `playing.loudness` measures it. It hardly changes within a timbre whose clips are normalised.
    """

    harmonic_BNK: Tensor
    subharmonic_BNH: Tensor
    noise_BNW: Tensor
    pitch_BN: Tensor
    confidence_BN: Tensor
    scale_B: Tensor
    level_B: Tensor


class Timbre(NamedTuple):
    """A clip's timbre.

    Attributes:
        profile: the profile of one clip.
        vectors: float32 [1, 1 + tokens, D].
        tones: the tones that are played; None plays oscillators.
    """

    profile: Profile
    vectors: Tensor
    tones: Tones | None = None


def frame_mean_square_gain(
    notes: NoteBatch,
    envelope: EnvelopeBatch,
    frames: int,
    hop: int,
    window: int,
    rate: int,
    cut_fade_ms: float,
) -> Tensor:
    """Computes the mean square gain around each frame under a squared Hann window: [B, frames].

    `hop` and `window` are in samples, `rate` in Hz and `cut_fade_ms` in ms.
    """
    points = 33
    shape = torch.hann_window(points + 2, periodic=False, device=notes.onset_BN.device)[1:-1].square()
    offsets = torch.linspace(-0.5, 0.5, points + 2, device=notes.onset_BN.device)[1:-1] * window
    at = torch.arange(frames, device=notes.onset_BN.device)[:, None] * float(hop) + offsets
    at_BT = at.flatten().clamp(min=0.0).expand(notes.onset_BN.shape[0], -1)
    gain = clip_gain(notes, envelope, at_BT, rate, cut_fade_ms).reshape(-1, frames, points)
    mean: Tensor = (gain.square() * shape).sum(-1) / shape.sum()
    return mean


def unit_gain_rms(
    level_BL: Tensor, hop: int, notes: NoteBatch, envelope: EnvelopeBatch, rate: int, cut: float
) -> tuple[Tensor, Tensor]:
    """Computes the RMS of each clip at unit gain, [B], and the clip's highest gain, [B].

    Args:
        level_BL: mean power every `hop` samples.
        hop: samples of a level step.
        notes: notes of the clips, times in samples.
        envelope: envelopes of the clips.
        rate: sample rate in Hz.
        cut: fade at the end of a cut note, in ms.
    """
    at = torch.arange(level_BL.shape[1], device=level_BL.device).float() * hop
    gain = clip_gain(notes, envelope, at.expand_as(level_BL), rate, cut)
    scale = (level_BL.sum(1) / gain.square().sum(1).clamp(min=1e-6)).clamp(min=1e-12).sqrt()
    return scale, gain.amax(1)


class GainNormalizedFrames(NamedTuple):
    """The power spectra of frames, with the gain that divides them.

    Attributes:
        power_BGC: power spectra, not divided.
        unit_power_BG: squared factor by which a tone of RMS 0.1 was multiplied in each frame.
        gain_BG: mean square gain of each frame.
        weight_BNG: 1 for the frames of a note: those wholly inside it, or, if there are none, those whose
            centre is.
        scale_B: RMS of the clip at unit gain.
        max_gain_B: highest gain of the clip.
    """

    power_BGC: Tensor
    unit_power_BG: Tensor
    gain_BG: Tensor
    weight_BNG: Tensor
    scale_B: Tensor
    max_gain_B: Tensor


@torch.no_grad()
def divide_out_gain(
    features: Features, notes: NoteBatch, envelope: EnvelopeBatch, rate: int, cut_fade_ms: float
) -> GainNormalizedFrames:
    """Computes the gain of each frame of clips with known, or estimated, notes and envelopes."""
    scale_B, max_gain_B = unit_gain_rms(features.level_BL, LEVEL_HOP, notes, envelope, rate, cut_fade_ms)
    power_BGC = features.long_BGC.square()
    frames = power_BGC.shape[1]
    gain_BG = frame_mean_square_gain(notes, envelope, frames, LONG_HOP, LONG_WINDOW, rate, cut_fade_ms)
    centre = torch.arange(frames, device=power_BGC.device) * float(LONG_HOP)
    onset, end = notes.onset_BN[..., None], notes.end_BN[..., None]
    inside = (centre >= onset) & (centre < end)
    fully_inside = (centre - LONG_WINDOW / 2 >= onset - LONG_WINDOW / 16) & (
        centre + LONG_WINDOW / 2 <= end + LONG_WINDOW / 16
    )
    weight_BNG = (
        torch.where(fully_inside.any(-1, keepdim=True), fully_inside, inside).float()
        * notes.mask_BN[..., None]
    )
    unit_power_BG = gain_BG * (scale_B[:, None] / TONE_RMS).square()
    return GainNormalizedFrames(power_BGC, unit_power_BG, gain_BG, weight_BNG, scale_B, max_gain_B)


@torch.no_grad()
def note_spectra(normalized: GainNormalizedFrames) -> tuple[Tensor, Tensor]:
    """Computes the power spectrum of each note at unit gain, [B, N, C], and its summed squared gain, [B, N].

    Loud frames get most weight; a note whose gain never rises gets next to none.
    """
    with torch.autocast(normalized.power_BGC.device.type, enabled=False):
        gain_BN = torch.einsum("bng,bg->bn", normalized.weight_BNG, normalized.gain_BG)
        unit_power_BN = torch.einsum("bng,bg->bn", normalized.weight_BNG, normalized.unit_power_BG)
        power_BNC = torch.einsum("bng,bgc->bnc", normalized.weight_BNG, normalized.power_BGC)
        return power_BNC / unit_power_BN.clamp(min=1e-7)[..., None], gain_BN


@torch.no_grad()
def measure_profile(
    normalized: GainNormalizedFrames, notes: NoteBatch, config: TriptychConfig, rate: int
) -> Profile:
    """Measures the profile of clips: for each note, its power over the power of a tone at the same gain."""
    power_BNC, gain_BN = note_spectra(normalized)
    f0 = midi_to_hz(notes.pitch_BN)
    noise = noise_levels(power_BNC, f0, config.noise_bands, rate)
    harmonic, subharmonic = (
        subtract_noise(
            partial_levels(power_BNC, f0, multiples, rate), noise, f0[..., None] * multiples.to(f0)
        )
        for multiples in (torch.arange(1, config.harmonics + 1), torch.arange(config.subharmonics) + 0.5)
    )
    return Profile(
        harmonic,
        subharmonic,
        noise,
        notes.pitch_BN,
        (gain_BN + 1e-6).log() + torch.where(notes.mask_BN, 0.0, -30.0),
        normalized.scale_B,
        normalized.scale_B * normalized.max_gain_B,
    )
