"""Makes the decoder's excitation: pulse trains with exact phase, and the frames in which they are filtered.

Frames have 2048 samples, one every 512. Shape suffixes: R rows (notes), F frames, K levels, C bins, T
samples.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.audio.spectral import hann
from train.systems.triptych.networks.partials import noise_band_position

WINDOW = 2048
HOP = 512
MAX_LOBE_SHARE = 0.4
"""A main lobe is held constant over at most this share of the way to the next partial."""


def pulse_train(phase: Tensor, harmonics_R: Tensor) -> Tensor:
    """Computes sum_k sin(2 pi k phase) for k = 1..harmonics in closed form: float32 [R, T].

    This is a band-limited pulse train. Sines have the phases of a sawtooth, which most synth waveforms have.
    Angles are reduced in float64 and sines taken in float32, which is exact to -90 dB and twice as fast.

    Args:
        phase: phase in cycles, float64 [R, T].
        harmonics_R: number of harmonics of each row.
    """
    top = harmonics_R.double()[:, None]
    highest = torch.cos(math.pi * (phase * (2.0 * top + 1.0)).remainder(2.0).float())
    angle = math.pi * phase.float()
    below = torch.sin(angle)
    near = below.abs() < 1e-6
    value = (torch.cos(angle) - highest) / (2.0 * torch.where(near, torch.ones_like(below), below))
    return torch.where(near, torch.zeros_like(value), value)


def frame_spectra(audio_RT: Tensor) -> Tensor:
    """Computes complex spectra [R, F, C] of Hann-windowed frames, the first frame beginning at sample 0."""
    window = hann(WINDOW, audio_RT.device)
    spectra: Tensor = torch.fft.rfft(audio_RT.unfold(-1, WINDOW, HOP) * window)
    return spectra


def overlap_add(spectra_RFC: Tensor) -> Tensor:
    """Inverts `frame_spectra` by overlap-add: [R, (F - 1) * 512 + 2048]; exact where four frames overlap."""
    frames = torch.fft.irfft(spectra_RFC, n=WINDOW) * (hann(WINDOW, spectra_RFC.device) / 1.5)
    step = WINDOW // HOP
    parts = frames.reshape(*frames.shape[:2], step, HOP)
    total = sum(
        (F.pad(parts[:, :, part], (0, 0, part, step - 1 - part)) for part in range(step)),
        start=torch.zeros((), device=parts.device),
    )
    return total.flatten(1)


def partial_positions(position_RC: Tensor, f0_R: Tensor, rate: int) -> Tensor:
    """Computes positions among partials that are f0 apart, constant over the main lobe of each: [R, C].

    A frame's partial is as wide as its window's main lobe. If its filter fell off on both sides, it would be
    softer than its level, the more so the farther its neighbours are below it.

    Args:
        position_RC: positions of bins among the partials, in multiples of f0.
        f0_R: fundamental frequencies in Hz.
        rate: sample rate in Hz.
    """
    lobe_R1 = (2.0 * rate / WINDOW / f0_R).clamp(max=MAX_LOBE_SHARE)[:, None]
    low_RC = position_RC.floor()
    return low_RC + ((position_RC - low_RC - lobe_R1) / (1.0 - 2.0 * lobe_R1)).clamp(0.0, 1.0)


def noise_positions(bands: int, rate: int, device: torch.device) -> Tensor:
    """Computes the positions of bins among the noise bands' centres: [C]."""
    bins = torch.arange(WINDOW // 2 + 1, device=device) * (rate / WINDOW)
    return noise_band_position(bins.clamp(min=30.0), bands)
