"""Spectral losses at several scales, with floors like those of the metrics.

Tensor names: B or R clips, T samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.audio.spectral import log_mel, magnitudes

FLOOR = 1e-3
CODEC_FLOOR = 1e-5
CODEC_MELS = {32: 5, 64: 10, 128: 20, 256: 40, 512: 80, 1024: 160, 2048: 320}
"""Mel bands of each window, as in DAC (Kumar et al., NeurIPS 2023), SynthCloner and CTD."""
WINDOWS = (2048, 1024, 512, 256)
MELS = {2048: 128, 1024: 96, 512: 64, 256: 32}


def spectral_losses(estimate_RT: Tensor, target_RT: Tensor, rate: int) -> dict[str, Tensor]:
    """Computes the losses `stft` and `mel` of audio [R, T] at `rate` Hz: scalars, means over scales.

    `stft` is the L1 distance of 2 log10 of the magnitudes, floored at 1e-3, plus that of the magnitudes: the
    metric MSTFT at more scales. `mel` is the L1 distance of log10 mel bands, floored alike.
    """
    stft, mel = [], []
    with torch.autocast(estimate_RT.device.type, enabled=False):
        for window in WINDOWS:
            ours, theirs = (magnitudes(audio, window, window // 4) for audio in (estimate_RT, target_RT))
            log = 2.0 * (ours.clamp(min=FLOOR).log10() - theirs.clamp(min=FLOOR).log10()).abs()
            stft.append(log.mean() + (ours - theirs).abs().mean())
            bands = [log_mel(m, rate, MELS[window], FLOOR) for m in (ours, theirs)]
            mel.append((bands[0] - bands[1]).abs().mean())
    return {"stft": torch.stack(stft).mean(), "mel": torch.stack(mel).mean()}


def mel_distances(estimate_BT: Tensor, target_BT: Tensor, rate: int) -> Tensor:
    """Computes the L1 distance of log10 mel magnitudes, floored at 1e-5, for each window: float32 [7].

    The hop is a quarter of the window. Audio is [B, T] at `rate` Hz.
    """
    with torch.autocast(estimate_BT.device.type, enabled=False):
        distances = []
        for window, bands in CODEC_MELS.items():
            ours, theirs = (
                log_mel(magnitudes(audio, window, window // 4), rate, bands, CODEC_FLOOR)
                for audio in (estimate_BT, target_BT)
            )
            distances.append((ours - theirs).abs().mean())
        return torch.stack(distances)
