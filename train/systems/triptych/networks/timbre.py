"""A clip's timbre: a profile measured in its notes, and a learned vector.

The profile, measured here, is analytic, so it exists for a timbre never heard before: for each note the
levels of the multiples of f0/4, the clip's gain divided out. Multiples of 4 are harmonics, the other even
ones belong to a voice an octave below, the odd ones hear only noise. It is fitted by power (the sum of what
was heard over the sum of squared gains), so that quiet frames count little. The vector is made in
`timbre_encoder`.

B clips, N notes, G frames, Q multiples of f0/4, K harmonics, H halves, W noise bands.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from train.nn.gain import EnvelopeBatch, NoteBatch, clip_gain
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.networks.features import LEVEL_HOP, LONG_HOP, LONG_WINDOW, Features
from train.systems.triptych.networks.partials import above_noise, hertz, level_at, noise_level

TONE_RMS = 0.1
"""The renderer's level of every tone."""


class Profile(NamedTuple):
    """What was measured in each note of B clips; levels are natural logarithms of amplitudes.

    `harmonic_BNK` at k f0, `half_BNH` at (k + 1/2) f0, `noise_BNW` RMS per sample in fixed bands;
    `pitch_BN` and `confidence_BN` (log, of how much was heard). `scale_B` is the RMS that unit gain stands
    for in this clip; `level_B` is the RMS at the clip's highest gain, where its peak is: how dense the sound
    is. Since clips are normalised by their peak, and a timbre's density hardly changes from clip to clip
    (0.3 dB), it says how loud another clip of this timbre is.
    """

    harmonic_BNK: Tensor
    half_BNH: Tensor
    noise_BNW: Tensor
    pitch_BN: Tensor
    confidence_BN: Tensor
    scale_B: Tensor
    level_B: Tensor


class Timbre(NamedTuple):
    """A clip's timbre: what was measured (a profile of one clip), and its vectors [1, 1 + tokens, D]."""

    profile: Profile
    vectors: Tensor


def frame_gain(
    notes: NoteBatch,
    envelope: EnvelopeBatch,
    frames: int,
    hop: int,
    window: int,
    rate: int,
    cut_fade_ms: float,
) -> Tensor:
    """The mean square gain under a Hann window (squared) around each frame: [B, frames]."""
    points = 33
    shape = torch.hann_window(points + 2, periodic=False, device=notes.onset_BN.device)[1:-1].square()
    offsets = torch.linspace(-0.5, 0.5, points + 2, device=notes.onset_BN.device)[1:-1] * window
    at = torch.arange(frames, device=notes.onset_BN.device)[:, None] * float(hop) + offsets
    at_BT = at.flatten().clamp(min=0.0).expand(notes.onset_BN.shape[0], -1)
    gain = clip_gain(notes, envelope, at_BT, rate, cut_fade_ms).reshape(-1, frames, points)
    mean: Tensor = (gain.square() * shape).sum(-1) / shape.sum()
    return mean


def clip_scale(
    level_BL: Tensor, hop: int, notes: NoteBatch, envelope: EnvelopeBatch, rate: int, cut: float
) -> tuple[Tensor, Tensor]:
    """The RMS that unit gain stands for in each clip, [B], and the clip's highest gain, [B]."""
    at = torch.arange(level_BL.shape[1], device=level_BL.device).float() * hop
    gain = clip_gain(notes, envelope, at.expand_as(level_BL), rate, cut)
    scale = (level_BL.sum(1) / gain.square().sum(1).clamp(min=1e-6)).clamp(min=1e-12).sqrt()
    return scale, gain.amax(1)


class Opened(NamedTuple):
    """The frames of B clips with what their gain is known to be, on frames of 1024 samples.

    `power_BGC` is their power as it is, `unit_BG` what a tone of unit gain and RMS 0.1 was multiplied with
    in each (squared), `gain_BG` the mean square gain alone; `weight_BNG` says which frames belong to a note:
    those that lie inside it, or if none does, those whose centre does. `scale_B` and `highest_B` are as in
    `Profile`.
    """

    power_BGC: Tensor
    unit_BG: Tensor
    gain_BG: Tensor
    weight_BNG: Tensor
    scale_B: Tensor
    highest_B: Tensor


@torch.no_grad()
def open_frames(
    features: Features, notes: NoteBatch, envelope: EnvelopeBatch, rate: int, cut_fade_ms: float
) -> Opened:
    """The frames of clips whose notes and envelopes are known (or guessed)."""
    scale_B, highest_B = clip_scale(features.level_BL, LEVEL_HOP, notes, envelope, rate, cut_fade_ms)
    power_BGC = features.long_BGC.square()
    frames = power_BGC.shape[1]
    gain_BG = frame_gain(notes, envelope, frames, LONG_HOP, LONG_WINDOW, rate, cut_fade_ms)
    centre = torch.arange(frames, device=power_BGC.device) * float(LONG_HOP)
    onset, end = notes.onset_BN[..., None], notes.end_BN[..., None]
    inside = (centre >= onset) & (centre < end)
    whole = (centre - LONG_WINDOW / 2 >= onset - LONG_WINDOW / 16) & (
        centre + LONG_WINDOW / 2 <= end + LONG_WINDOW / 16
    )
    weight_BNG = torch.where(whole.any(-1, keepdim=True), whole, inside).float() * notes.mask_BN[..., None]
    unit_BG = gain_BG * (scale_B[:, None] / TONE_RMS).square()
    return Opened(power_BGC, unit_BG, gain_BG, weight_BNG, scale_B, highest_B)


@torch.no_grad()
def measure(opened: Opened, notes: NoteBatch, config: TriptychConfig, rate: int) -> Profile:
    """The profile of clips: over each note, what was heard for what could have been."""
    with torch.autocast(notes.onset_BN.device.type, enabled=False):
        # Of a note that never rises nothing can be said; of the others the loud frames say most.
        heard_BN = torch.einsum("bng,bg->bn", opened.weight_BNG, opened.gain_BG)
        unit_BN = torch.einsum("bng,bg->bn", opened.weight_BNG, opened.unit_BG)
        power_BNC = torch.einsum("bng,bgc->bnc", opened.weight_BNG, opened.power_BGC)
        power_BNC = power_BNC / unit_BN.clamp(min=1e-7)[..., None]

    f0 = hertz(notes.pitch_BN)
    noise = noise_level(power_BNC, f0, config.noise_bands, rate)
    harmonic, half = (
        above_noise(level_at(power_BNC, f0, multiples, rate), noise, f0[..., None] * multiples.to(f0))
        for multiples in (torch.arange(1, config.harmonics + 1), torch.arange(config.halves) + 0.5)
    )
    return Profile(
        harmonic,
        half,
        noise,
        notes.pitch_BN,
        (heard_BN + 1e-6).log() + torch.where(notes.mask_BN, 0.0, -30.0),
        opened.scale_B,
        opened.scale_B * opened.highest_B,
    )
