"""Computes log magnitudes of audio at 16 kHz, and inverts them by Griffin-Lim.

The STFT has 2048 points, a Hann window of 2000 and a hop of 500: 1025 bins at 32 frames a second, compressed
by log(1 + x).

Shape suffixes: B clips, T samples at `RATE`, C bins, F frames.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from manifests.splits.seeds import stream

RATE = 16_000
FFT, WINDOW, HOP = 2048, 2000, 500
BINS = FFT // 2 + 1
STRIDE = 4
"""Frames of one content code; clips are padded to multiples of it."""
MOMENTUM = 0.99
"""Acceleration of the fast Griffin-Lim algorithm."""


@lru_cache(maxsize=4)
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(WINDOW, device=device)


def _stft(audio_BT: Tensor) -> Tensor:
    """Computes the complex STFT [B, BINS, F], with silence around the clip instead of reflections."""
    return torch.stft(
        audio_BT, FFT, HOP, WINDOW, _window(audio_BT.device), pad_mode="constant", return_complex=True
    )


def log_magnitudes(audio_BT: Tensor) -> Tensor:
    """Computes log(1 + magnitude), float32 [B, BINS, T // HOP + 1]."""
    with torch.autocast(audio_BT.device.type, enabled=False):
        return _stft(audio_BT.float()).abs().log1p()


def griffin_lim(log_BCF: Tensor, samples: int, steps: int) -> Tensor:
    """Estimates audio [B, samples] with the given log magnitudes; `samples` is at most F * HOP.

    The fast Griffin-Lim algorithm (Perraudin, Balazs and Sondergaard, WASPAA 2013). Initial phases are random
    with a fixed seed, so that equal magnitudes give equal audio.
    """
    magnitude = log_BCF.float().expm1().clamp(min=0.0)
    draws = stream(0, "griffin-lim").random(magnitude.shape[1:])
    phase = torch.from_numpy(2.0 * math.pi * draws).float().to(magnitude.device)
    guess = torch.polar(magnitude, phase.expand_as(magnitude))
    window, before = _window(magnitude.device), torch.zeros_like(guess)
    length = (magnitude.shape[2] - 1) * HOP
    for _ in range(steps):
        audio = torch.istft(guess, FFT, HOP, WINDOW, window, length=length)
        estimate = _stft(audio)
        ahead = estimate + MOMENTUM / (1.0 + MOMENTUM) * (estimate - before) if steps > 1 else estimate
        before = estimate
        guess = magnitude * torch.polar(torch.ones_like(magnitude), ahead.angle())
    return torch.istft(guess, FFT, HOP, WINDOW, window, length=length)[:, :samples]
