"""Levels read off power spectra: of partials, of noise, and of partials without the noise under them.

Levels are natural logarithms of amplitudes. A spectrum is one or the mean of several, of frames of 4096
samples under a Hann window.

B clips, N notes (or frames), K partials, W noise bands, C bins; R rows, F frames.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from train.audio.spectral import hann
from train.systems.triptych.networks.features import LONG_WINDOW

SILENT = -14.0
"""The natural logarithm of an amplitude that stands for nothing: -122 dB."""

EXCESS = 2.0
"""How much of a partial's power is taken for noise: so many times the power of the noise around it (and
likewise of noise for what partials leak);"""

REST = 0.02
"""and what is left of it at least."""


def hertz(pitch: Tensor) -> Tensor:
    """MIDI pitch to Hz."""
    return 440.0 * torch.exp2((pitch - 69.0) / 12.0)


def band_centres(bands: int, device: torch.device) -> Tensor:
    """Centres of the noise bands in Hz, [bands], from 60 Hz to 20 kHz, evenly in log frequency."""
    return torch.logspace(math.log10(60.0), math.log10(20_000.0), bands, device=device)


def band_place(hz: Tensor, bands: int) -> Tensor:
    """Where frequencies lie among the noise bands' centres: 0 is the first, `bands` - 1 the last."""
    centres = band_centres(bands, hz.device).log()
    return (hz.log() - centres[0]) / (centres[1] - centres[0])


def between(levels_RFK: Tensor, place_RC: Tensor) -> Tensor:
    """Levels read at fractional places along K, held at both ends: [R, F, C]."""
    last = levels_RFK.shape[-1] - 1
    at = place_RC.clamp(0, last)
    low = at.floor().long().clamp(max=last - 1)
    weight = (at - low)[:, None]
    index = low[:, None].expand(-1, levels_RFK.shape[1], -1)
    return torch.lerp(levels_RFK.gather(-1, index), levels_RFK.gather(-1, index + 1), weight)


def level_at(power_BNC: Tensor, f0_BN: Tensor, multiples: Tensor, rate: int) -> Tensor:
    """Partials at multiples of f0, [K] or [B, N, K]: [B, N, K]; `SILENT` above the highest bin.

    Read between the two nearest bins, and corrected by what a Hann window's main lobe loses there, so that
    a steady partial reads the same wherever it falls.
    """
    bins = power_BNC.shape[-1]
    at = f0_BN[..., None] * multiples.to(f0_BN) * LONG_WINDOW / rate
    low = at.floor().clamp(0, bins - 2)
    part = (at - low).clamp(0.0, 1.0)
    index = low.long()
    below, above = (0.5 * power_BNC.gather(-1, index + k).clamp(min=1e-20).log() for k in (0, 1))
    read = torch.lerp(below, above, part)
    loss = torch.lerp(_response(part), _response(1.0 - part), part)
    return torch.where(
        at < bins - 1, read - loss + math.log(4.0 / LONG_WINDOW), torch.full_like(read, SILENT)
    )


def noise_level(power_BNC: Tensor, f0_BN: Tensor, bands: int, rate: int) -> Tensor:
    """RMS a sample in fixed bands, read at the odd multiples of f0/4 nearest to each: [B, N, bands].

    What partials on both sides leak there is taken off: of low notes that is most of it.
    """
    centres = band_centres(bands, power_BNC.device)
    step = f0_BN[..., None] / 2.0
    odd = ((centres - step / 2.0) / step).round().clamp(min=0.0)
    reads, leaks = [], []
    for offset in (-1.0, 0.0, 1.0):
        place = (odd + offset).clamp(min=0.0)
        index = ((place + 0.5) * step * LONG_WINDOW / rate).round().long().clamp(max=power_BNC.shape[-1] - 1)
        reads.append(power_BNC.gather(-1, index))
        leaks.append(_leaked(power_BNC, f0_BN, place, index, rate))
    read, leaked = torch.stack(reads).mean(0), torch.stack(leaks).mean(0)
    left = torch.maximum(read - EXCESS * leaked, REST * read)
    return 0.5 * left.clamp(min=1e-20).log() - _log_window_energy()


def _leaked(power_BNC: Tensor, f0_BN: Tensor, place_BNW: Tensor, index_BNW: Tensor, rate: int) -> Tensor:
    """The power that comes to bins between multiples `place` and `place` + 1 of f0/2 from partials there.

    Two on each side; those farther away leak too little to tell.
    """
    total = torch.zeros_like(place_BNW)
    for side in (-1.0, 0.0, 1.0, 2.0):
        multiple = 0.5 * (place_BNW + side)
        at = f0_BN[..., None] * multiple * LONG_WINDOW / rate
        peak = 2.0 * (level_at(power_BNC, f0_BN, multiple, rate) + math.log(LONG_WINDOW / 4.0))
        total = total + (peak + 2.0 * _response(at - index_BNW)).exp() * (multiple > 0.0)
    return total


def above_noise(level_BNK: Tensor, noise_BNW: Tensor, hz_BNK: Tensor) -> Tensor:
    """Partials without the noise that is heard where they are, so that it is not played twice: [B, N, K].

    Power spectral subtraction with an excess, since a bin of noise is often above its mean, and a floor
    (Berouti, Schwartz and Makhoul, 1979).
    """
    place_BNK = band_place(hz_BNK, noise_BNW.shape[-1])
    under = between(noise_BNW.flatten(0, 1)[:, None], place_BNK.flatten(0, 1))[:, 0].view_as(level_BNK)
    noise = under + _log_window_energy() + math.log(4.0 / LONG_WINDOW)
    share = (2.0 * (noise - level_BNK)).clamp(max=0.0).exp()
    return (level_BNK + 0.5 * (1.0 - EXCESS * share).clamp(min=REST).log()).clamp(min=SILENT)


def _response(away: Tensor) -> Tensor:
    """The natural logarithm of the Hann window's response to a partial some bins away, 0 at the partial."""
    below = 1.0 - away.square()
    ratio = torch.where(below.abs() < 1e-3, torch.full_like(away, 0.5), torch.sinc(away) / below)
    return ratio.abs().clamp(min=1e-5).log()


def _log_window_energy() -> float:
    """Half the logarithm of the energy of the window: white noise of RMS 1 reads so high in a bin."""
    return 0.5 * math.log(float(hann(LONG_WINDOW, torch.device("cpu")).square().sum()))
