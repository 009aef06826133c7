"""Audio at 16 kHz to log magnitudes and back: what the network sees, and its vocoder.

STFT of 2048 points under a Hann window of 2000, hop 500: 1025 bins at 32 Hz, compressed by log(1 + x).
B clips, T samples at `RATE`, F frames.
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
"""Frames to one content code: clips are padded to whole ones."""
MOMENTUM = 0.99


@lru_cache(maxsize=4)
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(WINDOW, device=device)


def _stft(audio_BT: Tensor) -> Tensor:
    """Complex [B, BINS, F]; silence around the clip, never a reflection of it."""
    return torch.stft(
        audio_BT, FFT, HOP, WINDOW, _window(audio_BT.device), pad_mode="constant", return_complex=True
    )


def log_magnitudes(audio_BT: Tensor) -> Tensor:
    """log(1 + magnitude), [B, BINS, T // HOP + 1], in float32."""
    with torch.autocast(audio_BT.device.type, enabled=False):
        return _stft(audio_BT.float()).abs().log1p()


def griffin_lim(log_BCF: Tensor, samples: int, steps: int) -> Tensor:
    """Audio [B, samples] whose log magnitudes come near `log_BCF`, samples <= F * HOP.

    The fast variant (Perraudin, Balazs, Sondergaard, WASPAA 2013), from seeded random phases, so that
    equal magnitudes give equal audio.
    """
    magnitude = log_BCF.float().expm1().clamp(min=0.0)
    turns = stream(0, "griffin-lim").random(magnitude.shape[1:])
    phase = torch.from_numpy(2.0 * math.pi * turns).float().to(magnitude.device)
    guess = torch.polar(magnitude, phase.expand_as(magnitude))
    window, before = _window(magnitude.device), torch.zeros_like(guess)
    length = (magnitude.shape[2] - 1) * HOP
    for _ in range(steps):
        audio = torch.istft(guess, FFT, HOP, WINDOW, window, length=length)
        found = _stft(audio)
        ahead = found + MOMENTUM / (1.0 + MOMENTUM) * (found - before) if steps > 1 else found
        before = found
        guess = magnitude * torch.polar(torch.ones_like(magnitude), ahead.angle())
    return torch.istft(guess, FFT, HOP, WINDOW, window, length=length)[:, :samples]
