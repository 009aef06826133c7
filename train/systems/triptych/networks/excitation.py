"""What the decoder filters: pulses with exact phase, and frames of 2048 samples to filter them in.

R rows (notes), F frames, K levels, C bins, T samples.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.audio.spectral import hann
from train.systems.triptych.networks.partials import band_place

WINDOW = 2048
HOP = 512
WIDEST = 0.4
"""A main lobe is held over at most this share of the way to the next partial."""


def pulses(phase: Tensor, harmonics_R: Tensor) -> Tensor:
    """sum_k sin(2 pi k phase), k = 1..harmonics, in closed form: a band-limited pulse train, float32.

    Sines rather than cosines: a sawtooth's phases, which most synth waveforms have. Angles are reduced in
    float64 and their sines taken in float32, which is exact to -90 dB and twice as fast.
    """
    top = harmonics_R.double()[:, None]
    highest = torch.cos(math.pi * (phase * (2.0 * top + 1.0)).remainder(2.0).float())
    angle = math.pi * phase.float()
    below = torch.sin(angle)
    near = below.abs() < 1e-6
    value = (torch.cos(angle) - highest) / (2.0 * torch.where(near, torch.ones_like(below), below))
    return torch.where(near, torch.zeros_like(value), value)


def frame_spectra(audio_RT: Tensor) -> Tensor:
    """Complex spectra [R, F, C] of Hann-windowed frames of 2048 samples, hop 512, the first at sample 0."""
    window = hann(WINDOW, audio_RT.device)
    spectra: Tensor = torch.fft.rfft(audio_RT.unfold(-1, WINDOW, HOP) * window)
    return spectra


def overlap_add(spectra_RFC: Tensor) -> Tensor:
    """The inverse of `frame_spectra`: [R, (F - 1) * 512 + 2048]; exact where four frames overlap."""
    frames = torch.fft.irfft(spectra_RFC, n=WINDOW) * (hann(WINDOW, spectra_RFC.device) / 1.5)
    step = WINDOW // HOP
    parts = frames.reshape(*frames.shape[:2], step, HOP)
    total = sum(
        (F.pad(parts[:, :, part], (0, 0, part, step - 1 - part)) for part in range(step)),
        start=torch.zeros((), device=parts.device),
    )
    return total.flatten(1)


def partial_place(place_RC: Tensor, f0_R: Tensor, rate: int) -> Tensor:
    """Places among partials that are f0 apart, held over the main lobe of each: [R, C].

    A frame's partial is as wide as its window's main lobe. Filtered by levels that fall on both sides of it,
    it would be heard softer than its level says, the more the farther its neighbours are below it.
    """
    lobe_R1 = (2.0 * rate / WINDOW / f0_R).clamp(max=WIDEST)[:, None]
    low_RC = place_RC.floor()
    return low_RC + ((place_RC - low_RC - lobe_R1) / (1.0 - 2.0 * lobe_R1)).clamp(0.0, 1.0)


def noise_place(bands: int, rate: int, device: torch.device) -> Tensor:
    """Where each bin lies among the noise bands' centres, held at both ends: [C]."""
    bins = torch.arange(WINDOW // 2 + 1, device=device) * (rate / WINDOW)
    return band_place(bins.clamp(min=30.0), bands)
