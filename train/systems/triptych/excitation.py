"""What the decoder filters: pulses with exact phase, and frames of 2048 samples to filter them in.

R rows (notes), F frames, K levels, C bins, T samples.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.spectral import hann
from train.systems.triptych.timbre import band_centres

WINDOW = 2048
HOP = 512


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


def between(levels_RFK: Tensor, place_RC: Tensor) -> Tensor:
    """Levels read at fractional places along K, held at both ends: [R, F, C]."""
    last = levels_RFK.shape[-1] - 1
    at = place_RC.clamp(0, last)
    low = at.floor().long().clamp(max=last - 1)
    weight = (at - low)[:, None]
    index = low[:, None].expand(-1, levels_RFK.shape[1], -1)
    return torch.lerp(levels_RFK.gather(-1, index), levels_RFK.gather(-1, index + 1), weight)


def noise_place(bands: int, rate: int, device: torch.device) -> Tensor:
    """Where each bin lies among the noise bands' centres, held at both ends: [C]."""
    centres = band_centres(bands, device)
    bins = torch.arange(WINDOW // 2 + 1, device=device) * (rate / WINDOW)
    return (bins.clamp(min=30.0).log() - centres[0].log()) / (centres[1] / centres[0]).log()
