"""Augments training clips with random equalisers and with artificial reverberation.

An equaliser's impulse response is short. A gain that is slow beside it commutes with the equaliser, so an
equalised clip is still a gain times a dry sound, of another timbre.

Shape suffixes: B clips, T samples, E equaliser bands, R numbers of a room.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.nn.counter_rng import uniforms

EQUALISER_BANDS = 8
LOWEST_HZ, HIGHEST_HZ = 60.0, 16_000.0
"""Frequencies of an equaliser's first and last band; the others lie evenly between them in log frequency."""

ROOM_NUMBERS = 2
"""Numbers that describe a room, each 0..1: its reverberation time, and its level (0: no reverberation)."""

DECAY_S = (0.15, 0.8)
"""Range of the reverberation time RT60, in seconds."""

REVERB_DB = (-24.0, -6.0)
"""Range of the reverberation's energy relative to the direct sound, in dB."""


def equalise(audio_BT: Tensor, decibel_BE: Tensor, rate: int) -> Tensor:
    """Filters each clip with a zero-phase equaliser.

    Args:
        audio_BT: float32 clips.
        decibel_BE: gain in dB at each band's frequency, interpolated by raised cosines in between.
        rate: sample rate in Hz.
    """
    samples = audio_BT.shape[-1]
    padded = samples + rate // 20
    hertz = torch.fft.rfftfreq(padded, 1.0 / rate, device=audio_BT.device).clamp(LOWEST_HZ, HIGHEST_HZ)
    position = (hertz.log() - math.log(LOWEST_HZ)) / math.log(HIGHEST_HZ / LOWEST_HZ) * (EQUALISER_BANDS - 1)
    low = position.floor().long().clamp(max=EQUALISER_BANDS - 2)
    weight = 0.5 - 0.5 * torch.cos(math.pi * (position - low))
    gain = torch.lerp(decibel_BE[:, low], decibel_BE[:, low + 1], weight) * (math.log(10.0) / 20.0)
    spectrum = torch.fft.rfft(F.pad(audio_BT.float(), (0, padded - samples)))
    equalised: Tensor = torch.fft.irfft(spectrum * gain.exp(), padded)[..., :samples]
    return equalised


def rms_ratio(before_BT: Tensor, after_BT: Tensor) -> Tensor:
    """Computes each clip's RMS after over its RMS before, [B]; 1 for silence."""
    power = before_BT.square().mean(-1)
    ratio = (after_BT.square().mean(-1) / power.clamp(min=1e-12)).sqrt()
    return torch.where(power > 1e-12, ratio, torch.ones_like(ratio))


def add_reverb(audio_BT: Tensor, room_BR: Tensor, key: Tensor, rate: int) -> Tensor:
    """Adds reverberation to clips, and scales each to the peak it had.

    A room's response is exponentially decaying noise (Moorer, "About this reverberation business", 1979).

    Args:
        audio_BT: float32 clips.
        room_BR: the numbers of each clip's room, see `ROOM_NUMBERS`.
        key: seed of the noise, int64 []; equal keys give equal noise on every device.
        rate: sample rate in Hz.
    """
    clips, samples = audio_BT.shape
    tail = math.ceil(DECAY_S[1] * rate)
    decay_B1, level_B1 = room_BR[:, :1], room_BR[:, 1:]
    reverb_db_B1 = REVERB_DB[0] + (REVERB_DB[1] - REVERB_DB[0]) * level_B1
    reverb_B1 = torch.pow(10.0, reverb_db_B1 / 20.0) * (level_B1 > 0.0)
    rate_B1 = math.log(1000.0) / (DECAY_S[0] + (DECAY_S[1] - DECAY_S[0]) * decay_B1)
    time_s = torch.arange(tail, device=audio_BT.device) / rate
    noise_BT = uniforms(key, clips, tail, audio_BT.device).float() * 2.0 - 1.0
    response_BT = noise_BT * torch.exp(-rate_B1 * time_s)
    response_BT *= reverb_B1 / response_BT.norm(dim=1, keepdim=True)
    response_BT[:, 0] += 1.0
    padded = samples + tail
    spectrum = torch.fft.rfft(audio_BT.float(), padded) * torch.fft.rfft(response_BT, padded)
    wet_BT: Tensor = torch.fft.irfft(spectrum, padded)[:, :samples]
    return wet_BT * (audio_BT.abs().amax(1) / wet_BT.abs().amax(1).clamp(min=1e-6))[:, None]
