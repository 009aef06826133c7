"""Measures the levels of partials and of noise in power spectra, and separates both.

Levels are natural logarithms of amplitudes. A spectrum is that of one frame, or the mean of several, of 4096
samples under a Hann window.

Shape suffixes: B clips, N notes (or frames), K partials, W noise bands, C bins; R rows, F frames.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from train.audio.spectral import hann
from train.systems.triptych.networks.features import LONG_WINDOW

SILENCE_LEVEL = -14.0
"""The level of silence: the natural logarithm of an amplitude of -122 dB."""

OVERSUBTRACTION = 2.0
"""How many times noise is subtracted from a partial's power, and leakage from noise."""

SPECTRAL_FLOOR = 0.02
"""The share of the power that a subtraction leaves at least."""


def midi_to_hz(pitch: Tensor) -> Tensor:
    """Converts MIDI pitch, fractions allowed, to Hz."""
    return 440.0 * torch.exp2((pitch - 69.0) / 12.0)


def noise_band_centres(bands: int, device: torch.device) -> Tensor:
    """Returns the centres of the noise bands in Hz, [bands]: 60 Hz to 20 kHz, evenly in log frequency."""
    return torch.logspace(math.log10(60.0), math.log10(20_000.0), bands, device=device)


def noise_band_position(hz: Tensor, bands: int) -> Tensor:
    """Computes the position of frequencies among the bands' centres: 0 is the first, `bands` - 1 the last."""
    centres = noise_band_centres(bands, hz.device).log()
    return (hz.log() - centres[0]) / (centres[1] - centres[0])


def interpolate_levels(levels_RFK: Tensor, position_RC: Tensor) -> Tensor:
    """Interpolates levels linearly along K at fractional positions, constant beyond both ends: [R, F, C]."""
    last = levels_RFK.shape[-1] - 1
    at = position_RC.clamp(0, last)
    low = at.floor().long().clamp(max=last - 1)
    weight = (at - low)[:, None]
    index = low[:, None].expand(-1, levels_RFK.shape[1], -1)
    return torch.lerp(levels_RFK.gather(-1, index), levels_RFK.gather(-1, index + 1), weight)


def levels_at_frequencies(levels_RNK: Tensor, semitones_RN: Tensor) -> Tensor:
    """Reads levels of harmonics that keep their frequencies while the pitch moves up: [R, N, K].

    Args:
        levels_RNK: log levels of harmonics 1..K.
        semitones_RN: how far the pitch moves up.
    """
    last = levels_RNK.shape[-1] - 1
    number_K = torch.arange(1, last + 2, device=levels_RNK.device)
    at = (number_K * torch.exp2(semitones_RN / 12.0)[..., None] - 1.0).clamp(0.0, last)
    low = at.floor().long().clamp(max=last - 1)
    return torch.lerp(levels_RNK.gather(-1, low), levels_RNK.gather(-1, low + 1), at - low)


def partial_levels(power_BNC: Tensor, f0_BN: Tensor, multiples: Tensor, rate: int) -> Tensor:
    """Measures the levels of partials at multiples of f0: [B, N, K], `SILENCE_LEVEL` above the highest bin.

    A level is interpolated between the two nearest bins, and corrected by the loss of the Hann window's main
    lobe there. So a steady partial has the same level wherever it falls between bins.

    Args:
        power_BNC: power spectra.
        f0_BN: fundamental frequencies in Hz.
        multiples: multiples of f0, [K] or [B, N, K].
        rate: sample rate in Hz.
    """
    bins = power_BNC.shape[-1]
    at = f0_BN[..., None] * multiples.to(f0_BN) * LONG_WINDOW / rate
    low = at.floor().clamp(0, bins - 2)
    part = (at - low).clamp(0.0, 1.0)
    index = low.long()
    below, above = (0.5 * power_BNC.gather(-1, index + k).clamp(min=1e-20).log() for k in (0, 1))
    read = torch.lerp(below, above, part)
    loss = torch.lerp(_log_response(part), _log_response(1.0 - part), part)
    return torch.where(
        at < bins - 1, read - loss + math.log(4.0 / LONG_WINDOW), torch.full_like(read, SILENCE_LEVEL)
    )


def noise_levels(power_BNC: Tensor, f0_BN: Tensor, bands: int, rate: int) -> Tensor:
    """Measures the log RMS per sample of noise in each band: [B, N, bands].

    It is read at the odd multiples of f0/4 that are nearest to the band's centre, where no partial lies. The
    leakage of the partials on both sides is subtracted; for low notes it is most of the power there.

    Args:
        power_BNC: power spectra.
        f0_BN: fundamental frequencies in Hz.
        bands: number of bands.
        rate: sample rate in Hz.
    """
    centres = noise_band_centres(bands, power_BNC.device)
    step = f0_BN[..., None] / 2.0
    number = ((centres - step / 2.0) / step).round().clamp(min=0.0)
    reads, leaks = [], []
    for offset in (-1.0, 0.0, 1.0):
        below = (number + offset).clamp(min=0.0)
        bins = ((below + 0.5) * step * LONG_WINDOW / rate).round().long().clamp(max=power_BNC.shape[-1] - 1)
        reads.append(power_BNC.gather(-1, bins))
        leaks.append(_leaked_power(power_BNC, f0_BN, below, bins, rate))
    read, leaked = torch.stack(reads).mean(0), torch.stack(leaks).mean(0)
    remaining = torch.maximum(read - OVERSUBTRACTION * leaked, SPECTRAL_FLOOR * read)
    return 0.5 * remaining.clamp(min=1e-20).log() - _log_window_energy()


def _leaked_power(power_BNC: Tensor, f0_BN: Tensor, below_BNW: Tensor, bin_BNW: Tensor, rate: int) -> Tensor:
    """Computes the power at bins between multiples `below` and `below` + 1 of f0/2 that leaks from partials.

    Two partials on each side count; the leakage of those farther away is negligible.
    """
    total = torch.zeros_like(below_BNW)
    for side in (-1.0, 0.0, 1.0, 2.0):
        multiple = 0.5 * (below_BNW + side)
        at = f0_BN[..., None] * multiple * LONG_WINDOW / rate
        peak = 2.0 * (partial_levels(power_BNC, f0_BN, multiple, rate) + math.log(LONG_WINDOW / 4.0))
        total = total + (peak + 2.0 * _log_response(at - bin_BNW)).exp() * (multiple > 0.0)
    return total


def subtract_noise(level_BNK: Tensor, noise_BNW: Tensor, hz_BNK: Tensor) -> Tensor:
    """Subtracts noise from the levels of partials, so that it is not played twice: [B, N, K].

    Power spectral subtraction (Berouti, Schwartz and Makhoul, "Enhancement of speech corrupted by acoustic
    noise", ICASSP 1979). A bin of noise is often above its mean, so it oversubtracts, down to a spectral
    floor.

    Args:
        level_BNK: levels of the partials.
        noise_BNW: levels of the noise bands.
        hz_BNK: frequencies of the partials in Hz.
    """
    position_BNK = noise_band_position(hz_BNK, noise_BNW.shape[-1])
    under = interpolate_levels(noise_BNW.flatten(0, 1)[:, None], position_BNK.flatten(0, 1))[:, 0].view_as(
        level_BNK
    )
    noise = under + _log_window_energy() + math.log(4.0 / LONG_WINDOW)
    share = (2.0 * (noise - level_BNK)).clamp(max=0.0).exp()
    return (level_BNK + 0.5 * (1.0 - OVERSUBTRACTION * share).clamp(min=SPECTRAL_FLOOR).log()).clamp(
        min=SILENCE_LEVEL
    )


def _log_response(distance: Tensor) -> Tensor:
    """Computes the log response of the Hann window at a distance in bins from a partial; 0 at distance 0."""
    below = 1.0 - distance.square()
    ratio = torch.where(below.abs() < 1e-3, torch.full_like(distance, 0.5), torch.sinc(distance) / below)
    return ratio.abs().clamp(min=1e-5).log()


def _log_window_energy() -> float:
    """Computes half the log of the window's energy: the log magnitude of a bin of white noise of RMS 1."""
    return 0.5 * math.log(float(hann(LONG_WINDOW, torch.device("cpu")).square().sum()))
