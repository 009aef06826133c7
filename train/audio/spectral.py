"""Spectral features and levels of audio: small functions over `torch.fft`, always in float32.

Clips are padded with silence, never reflected. So a clip has the same features whatever stands behind it in a
batch.

Tensor names: B clips, T samples, F frames, C bins of a spectrum, M points in time.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.dsp.filterbank import bin_hz, mel_edges, triangular_filters, unit_sum


@lru_cache(maxsize=32)
def hann(window: int, device: torch.device) -> Tensor:
    """Returns the periodic Hann window, float32 [window]."""
    return torch.hann_window(window, periodic=True, device=device)


def frame_count(samples: int, hop: int) -> int:
    """Counts the frames of `magnitudes`: one at each multiple of `hop` up to the clip's end."""
    return samples // hop + 1


def spectrum(audio_BT: Tensor, window: int, hop: int) -> Tensor:
    """Computes the STFT, complex64 [B, F, window // 2 + 1], of frames centred at multiples of `hop`."""
    padded = F.pad(audio_BT.float(), (window // 2, window // 2))
    stft = torch.stft(
        padded, window, hop, window=hann(window, audio_BT.device), center=False, return_complex=True
    )
    return stft.transpose(1, 2)


def magnitudes(audio_BT: Tensor, window: int, hop: int, floor: float = 1e-7) -> Tensor:
    """Computes STFT magnitudes, float32 [B, F, C], at least `floor`, so that gradients stay finite."""
    stft = torch.view_as_real(spectrum(audio_BT, window, hop))
    return (stft.square().sum(-1) + floor * floor).sqrt()


@lru_cache(maxsize=32)
def mel_matrix(rate: int, window: int, bands: int, device: torch.device) -> Tensor:
    """Computes mel filters of unit sum from 30 Hz to half the rate: float32 [window // 2 + 1, bands]."""

    edges = mel_edges(30.0, rate / 2.0, bands)
    # A band is never narrower than a bin: at low frequencies triangles would fall between bins.
    filters = unit_sum(triangular_filters(edges, bin_hz(window, rate), narrowest=rate / window))
    return torch.from_numpy(filters).float().to(device)


def log_mel(magnitude_BFC: Tensor, rate: int, bands: int, floor: float) -> Tensor:
    """Computes log10 of the mel bands' mean magnitude, at least `floor`: float32 [B, F, bands]."""
    window = 2 * (magnitude_BFC.shape[-1] - 1)
    mel = magnitude_BFC @ mel_matrix(rate, window, bands, magnitude_BFC.device)
    return mel.clamp(min=floor).log10()


def level_curve(audio_BT: Tensor, hop: int, smooth: int) -> Tensor:
    """Computes the mean power around multiples of `hop`: float32 [B, T // hop + 1].

    The weights are a Hann window of 2 * smooth * hop samples.
    """
    power = F.pad(audio_BT.float().square(), (hop // 2, hop + hop // 2))
    steps = F.avg_pool1d(power[:, None], hop, hop)
    kernel = torch.hann_window(2 * smooth + 1, periodic=False, device=audio_BT.device)[1:-1]
    kernel = (kernel / kernel.sum())[None, None]
    count = audio_BT.shape[-1] // hop + 1
    return F.conv1d(steps, kernel, padding=smooth - 1)[:, 0, :count]


def interpolate_curve(curve_BT: Tensor, at_BM: Tensor) -> Tensor:
    """Interpolates curves linearly at fractional places `at_BM`, held at their ends: float32 [B, M]."""
    last = curve_BT.shape[1] - 1
    at = at_BM.clamp(0, last)
    low = at.floor().long().clamp(max=max(last - 1, 0))
    weight = at - low
    high = (low + 1).clamp(max=last)
    return curve_BT.gather(1, low) * (1.0 - weight) + curve_BT.gather(1, high) * weight
