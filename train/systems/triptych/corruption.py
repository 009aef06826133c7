"""Corrupts clips as recordings are: clicks, hum, a constant offset, rumble and a short echo.

None of these is to be reproduced, so only the note encoder is trained with them.

Shape suffixes: B clips, T samples, C numbers of a corruption, L kinds, M frequencies of the mains, K samples
of a click, X clicks or parts of a spectrum.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from manifests.splits.seeds import stream
from train.nn.counter_rng import uniforms

LEVEL_DB = {
    "clicks": (-36.0, -6.0),
    "hum": (-54.0, -18.0),
    "offset": (-54.0, -14.0),
    "rumble": (-50.0, -14.0),
    "echo": (-24.0, -6.0),
}
"""Range of each kind's level in dB, relative to the clip's peak; the echo's relative to the direct sound."""

KINDS = tuple(LEVEL_DB)

CORRUPTION_NUMBERS = len(KINDS) + 3
"""Numbers of a corruption, each 0..1: each kind's level (0: none), whether and how fast hum and rumble come
and go (below 0.5: not), the mains' frequency, the echo's delay."""

CLICKS_PER_S, CLICK_S = 3.0, 3e-4
"""Mean number of clicks a second, and the time constant with which one decays."""

MAINS_HZ = (50.0, 60.0)
RUMBLE_HZ = (3.0, 30.0)
SWELL_HZ = (0.1, 1.0)
"""How often hum and rumble come and go."""
ECHO_S = (0.02, 0.25)


def draw_corruptions(clips: int, seed: int, probability: float) -> Tensor:
    """Draws the numbers of each clip's corruption, float32 [clips, CORRUPTION_NUMBERS]; kinds have even odds.

    Example: `draw_corruptions(8, 5, probability=0.3)` leaves five or six of the clips as they are.
    """
    draws = stream(seed, "corruption").random((clips, 1 + len(KINDS) + CORRUPTION_NUMBERS))
    chosen = (draws[:, :1] < probability) & (draws[:, 1 : 1 + len(KINDS)] < 0.5)
    numbers = draws[:, 1 + len(KINDS) :].astype(np.float32)
    numbers[:, : len(KINDS)] *= chosen
    return torch.from_numpy(numbers)


def corrupt(audio_BT: Tensor, corruption_BC: Tensor, key: Tensor, rate: int) -> Tensor:
    """Corrupts clips, and scales each to the peak it had.

    Args:
        audio_BT: float32 clips.
        corruption_BC: the numbers of each clip's corruption, see `CORRUPTION_NUMBERS`.
        key: seed of clicks, of rumble and of when it comes, int64 []; equal keys give equal noise on every
            device.
        rate: sample rate in Hz.
    """
    clips, samples = audio_BT.shape
    device = audio_BT.device
    peak_B1 = audio_BT.abs().amax(1, keepdim=True)
    share_BL = corruption_BC[:, : len(KINDS)]
    low_L, high_L = torch.tensor(list(LEVEL_DB.values()), device=device).unbind(1)
    level_BL = torch.pow(10.0, torch.lerp(low_L, high_L, share_BL) / 20.0) * (share_BL > 0.0)
    level = dict(zip(LEVEL_DB, level_BL[..., None].unbind(1), strict=True))
    swell_B1, mains_B, delay_B1 = corruption_BC[:, -3, None], corruption_BC[:, -2], corruption_BC[:, -1:]

    time_T = torch.arange(samples, device=device)
    late_BT = time_T - ((ECHO_S[0] + (ECHO_S[1] - ECHO_S[0]) * delay_B1) * rate).long()
    echo_BT = audio_BT.gather(1, late_BT.clamp(min=0)) * (late_BT >= 0)
    turns_MT = torch.tensor(MAINS_HZ, device=device)[:, None] * (time_T / rate)
    hum_MT = torch.stack([torch.sin(2.0 * math.pi * k * turns_MT) / k for k in (1, 2, 3)]).sum(0)
    presence_BT = _presence(swell_B1, time_T / rate, key + 2)
    made_BT = (
        audio_BT
        + level["echo"] * echo_BT
        + peak_B1
        * (
            level["clicks"] * _clicks(clips, samples, key, rate, device)
            + level["hum"] * hum_MT[(mains_B >= 0.5).long()] * presence_BT
            + level["rumble"] * _rumble(clips, samples, key + 1, rate, device) * presence_BT
            + level["offset"]
        )
    )
    scaled_BT: Tensor = made_BT * (peak_B1 / made_BT.abs().amax(1, keepdim=True).clamp(min=1e-6))
    return scaled_BT


def _clicks(clips: int, samples: int, key: Tensor, rate: int, device: torch.device) -> Tensor:
    """Draws clicks of random times, heights within -1..1 and numbers: float32 [B, T]."""
    candidates = math.ceil(2.0 * CLICKS_PER_S * samples / rate)
    place_BX, height_BX, chosen_BX = uniforms(key, clips, 3 * candidates, device).chunk(3, dim=1)
    height_BX = (2.0 * height_BX - 1.0) * (chosen_BX < 0.5)
    since_K = torch.arange(round(8 * CLICK_S * rate), device=device)
    shape_BXK = height_BX[..., None] * torch.exp(-since_K / (CLICK_S * rate))
    at_BXK = (place_BX * samples).long()[..., None] + since_K
    padded_BT = torch.zeros(clips, samples + len(since_K), device=device)
    return padded_BT.scatter_add(1, at_BXK.flatten(1), shape_BXK.flatten(1).float())[:, :samples]


def _rumble(clips: int, samples: int, key: Tensor, rate: int, device: torch.device) -> Tensor:
    """Draws noise within `RUMBLE_HZ`, at a peak of 1: float32 [B, T]."""
    first, last = (math.ceil(hertz * samples / rate) for hertz in RUMBLE_HZ)
    part_BX = uniforms(key, clips, 2 * (last - first), device).float() - 0.5
    spectrum_BX = torch.zeros(clips, samples // 2 + 1, dtype=torch.complex64, device=device)
    spectrum_BX[:, first:last] = torch.complex(*part_BX.chunk(2, dim=1))
    rumble_BT: Tensor = torch.fft.irfft(spectrum_BX, samples)
    return rumble_BT / rumble_BT.abs().amax(1, keepdim=True).clamp(min=1e-12)


def _presence(swell_B1: Tensor, time_T: Tensor, key: Tensor) -> Tensor:
    """Computes what share of hum and rumble is there at each time (s): 1, or coming and going, [B, T]."""
    phase_B1 = uniforms(key, len(swell_B1), 1, time_T.device).float()
    hertz_B1 = SWELL_HZ[0] + (SWELL_HZ[1] - SWELL_HZ[0]) * (2.0 * swell_B1 - 1.0)
    wave_BT = torch.sin(2.0 * math.pi * (phase_B1 + hertz_B1 * time_T))
    return torch.where(swell_B1 < 0.5, 1.0, (0.5 + wave_BT).clamp(0.0, 1.0))
