"""A random equaliser on whole clips: timbres that no synth has; and rooms that notes are heard in.

An equaliser and a gain commute as long as the gain is slow for the equaliser's short impulse response, so a
clip that went through one still is gain times a dry sound, of another timbre.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.nn.counter_rng import uniforms

BANDS = 8
LOWEST_HZ, HIGHEST_HZ = 60.0, 16_000.0


def equalise(audio_BT: Tensor, decibel_BE: Tensor, rate: int) -> Tensor:
    """Clips through zero-phase equalisers: `decibel_BE` at 8 frequencies, evenly on a logarithmic scale,
    between which it is interpolated."""
    samples = audio_BT.shape[-1]
    longer = samples + rate // 20
    hertz = torch.fft.rfftfreq(longer, 1.0 / rate, device=audio_BT.device).clamp(LOWEST_HZ, HIGHEST_HZ)
    at = (hertz.log() - math.log(LOWEST_HZ)) / math.log(HIGHEST_HZ / LOWEST_HZ) * (BANDS - 1)
    low = at.floor().long().clamp(max=BANDS - 2)
    part = 0.5 - 0.5 * torch.cos(math.pi * (at - low))
    gain = torch.lerp(decibel_BE[:, low], decibel_BE[:, low + 1], part) * (math.log(10.0) / 20.0)
    spectrum = torch.fft.rfft(F.pad(audio_BT.float(), (0, longer - samples)))
    equalised: Tensor = torch.fft.irfft(spectrum * gain.exp(), longer)[..., :samples]
    return equalised


def level_change(before_BT: Tensor, after_BT: Tensor) -> Tensor:
    """By which factor the RMS of each clip changed, [B]; 1 for silence."""
    power = before_BT.square().mean(-1)
    change = (after_BT.square().mean(-1) / power.clamp(min=1e-12)).sqrt()
    return torch.where(power > 1e-12, change, torch.ones_like(change))


ROOM = 2
"""Numbers of a room, each 0..1: how long it rings, how loud it is (0: there is none)."""
RING_S, WET_DB = (0.15, 0.8), (-24.0, -6.0)
"""Times until a room has fallen by 60 dB, and its energy against the direct sound's."""


def in_rooms(audio_BT: Tensor, room_BR: Tensor, key: Tensor, rate: int) -> Tensor:
    """Clips as heard in rooms, at the peak they had: for what only their notes are learned from.

    A room's response is noise that falls exponentially (Moorer, "About this reverberation business", 1979):
    that of the stream `key` (int64 []), the same on every device.
    """
    clips, samples = audio_BT.shape
    tail = math.ceil(RING_S[1] * rate)
    ring_B1, loud_B1 = room_BR[:, :1], room_BR[:, 1:]
    wet_db_B1 = WET_DB[0] + (WET_DB[1] - WET_DB[0]) * loud_B1
    wet_B1 = torch.pow(10.0, wet_db_B1 / 20.0) * (loud_B1 > 0.0)
    fall_B1 = math.log(1000.0) / (RING_S[0] + (RING_S[1] - RING_S[0]) * ring_B1)
    time_s = torch.arange(tail, device=audio_BT.device) / rate
    noise_BT = uniforms(key, clips, tail, audio_BT.device).float() * 2.0 - 1.0
    response_BT = noise_BT * torch.exp(-fall_B1 * time_s)
    response_BT *= wet_B1 / response_BT.norm(dim=1, keepdim=True)
    response_BT[:, 0] += 1.0
    longer = samples + tail
    spectrum = torch.fft.rfft(audio_BT.float(), longer) * torch.fft.rfft(response_BT, longer)
    heard_BT: Tensor = torch.fft.irfft(spectrum, longer)[:, :samples]
    return heard_BT * (audio_BT.abs().amax(1) / heard_BT.abs().amax(1).clamp(min=1e-6))[:, None]
