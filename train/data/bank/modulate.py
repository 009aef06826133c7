"""Modulates dry phrases for altered timbres: inharmonic partials, and levels, pitches and spectra that move.

Modulations begin anew at each onset, so that equal notes sound equal. Two do not: a drifting level runs on
over the phrase, and so does breath. The closing low pass has no phase, and smears an onset by about 1 ms.

Tensor names: F samples of a clip, K partials, X points of a slow curve.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from manifests.synthesis.recipe import (
    CHORUS_MS,
    DRIFT_DB,
    DRIFT_POINTS_HZ,
    HIGHEST_PARTIAL,
    RMS,
    Inharmonic,
    Motion,
)
from train.nn.counter_rng import uniforms


class Timeline(NamedTuple):
    """What a phrase plays at each sample: the MIDI pitch of the note as written, and samples since its onset.

    Both are [F], int64. Before the first note they are that note's pitch and 0.
    """

    pitch_F: Tensor
    since_F: Tensor


def add_inharmonic(dry_F: Tensor, how: Inharmonic, timeline: Timeline, semitones: int, rate: int) -> Tensor:
    """Ring modulates a dry phrase, and adds partials at inharmonic ratios: float32 [F].

    The ratios of a free bar and of stiff strings are those of Fletcher and Rossing, "The Physics of Musical
    Instruments" (1998). `semitones` lead from the written to the sounding pitch.
    """
    sounding_F = timeline.pitch_F.double() + semitones
    # In float64, since a phase of thousands of turns loses its fraction in float32.
    turns_F = 440.0 * torch.exp2((sounding_F - 69.0) / 12.0) * timeline.since_F / rate
    if how.ring:
        modulator_F = torch.cos(2.0 * math.pi * torch.frac(turns_F * how.ring_ratio)).float()
        dry_F = dry_F * (1.0 - how.ring + how.ring * math.sqrt(2.0) * modulator_F)
    if how.ratios:
        hertz_F = 440.0 * torch.exp2((sounding_F - 69.0) / 12.0)
        partials_F = torch.zeros_like(dry_F)
        for ratio in how.ratios:
            audible_F = hertz_F * ratio < HIGHEST_PARTIAL * rate
            partials_F += torch.sin(2.0 * math.pi * torch.frac(turns_F * ratio)).float() * audible_F
        fall_F = torch.exp(timeline.since_F.float() * (-math.log(1000.0) / (how.decay_s * rate)))
        level = RMS * 10.0 ** (how.level_db / 20.0) * math.sqrt(2.0 / len(how.ratios))
        dry_F = dry_F + partials_F * fall_F * level
    return dry_F


def move(dry_F: Tensor, how: Motion, timeline: Timeline, key: int, rate: int) -> Tensor:
    """Applies a movement to a dry phrase: float32 [F]. `key` is that of a drifting level's random numbers.

    Chorus and vibrato are modulated delays (Dattorro, "Effect Design, Part 2", J. Audio Eng. Soc. 1997).
    """
    turn_F = 2.0 * math.pi * how.rate_hz / rate * timeline.since_F.float()
    if how.kind == "drift":
        drift_db_F = DRIFT_DB * how.depth * _slow_noise(len(dry_F), key, rate, dry_F.device)
        return dry_F * torch.pow(10.0, drift_db_F / 20.0)
    if how.kind == "tremolo":
        return dry_F * (1.0 - how.depth * 0.25 * (1.0 - torch.cos(turn_F)))
    if how.kind == "vibrato":
        # A delay of d (1 - cos wt) moves the pitch by at most d w.
        cents = 5.0 + 35.0 * how.depth
        largest = (2.0 ** (cents / 1200.0) - 1.0) * rate / (2.0 * math.pi * how.rate_hz)
        return _delayed(dry_F, timeline, largest * (1.0 - torch.cos(turn_F)))
    if how.kind == "chorus":
        delay_F = CHORUS_MS * rate / 1000.0 * (1.0 - 0.3 * torch.cos(turn_F))
        return (dry_F + _delayed(dry_F, timeline, delay_F)) * math.sqrt(0.5)
    frequency = torch.fft.rfftfreq(len(dry_F), 1.0 / rate, device=dry_F.device)
    response = 1.0 / (1.0 + (frequency / how.corner_hz).square())
    closed_F = torch.fft.irfft(torch.fft.rfft(dry_F) * response, n=len(dry_F))
    return torch.lerp(closed_F, dry_F, torch.exp(timeline.since_F.float() * (-how.rate_hz / rate)))


def breath(frames: int, centre_hz: float, key: int, rate: int, device: torch.device) -> Tensor:
    """Draws noise in a band about two octaves wide around `centre_hz`, with an RMS of 1: float32 [F]."""
    white = uniforms(key, 1, frames, device)[0].float() * 2.0 - 1.0
    octave = torch.fft.rfftfreq(frames, 1.0 / rate, device=device).clamp(min=1.0).log2() - math.log2(
        centre_hz
    )
    band: Tensor = torch.fft.irfft(torch.fft.rfft(white) * torch.exp(-octave.square()), n=frames)
    return band / band.square().mean().sqrt().clamp(min=1e-9)


def _delayed(dry_F: Tensor, timeline: Timeline, delay_F: Tensor) -> Tensor:
    """Reads each note `delay_F` samples late, by linear interpolation; before its onset it is mirrored.

    Held at its first sample instead, a note would begin with a thump.
    """
    onset_F = torch.arange(len(dry_F), device=dry_F.device) - timeline.since_F
    # Counted from the onset, since float32 is exact to a fraction of a sample within a note only.
    place_F = (timeline.since_F.float() - delay_F).abs()
    whole_F = place_F.long()
    early_F = (onset_F + whole_F).clamp(max=len(dry_F) - 1)
    early, late = dry_F[early_F], dry_F[(early_F + 1).clamp(max=len(dry_F) - 1)]
    return torch.lerp(early, late, place_F - whole_F)


def _slow_noise(frames: int, key: int, rate: int, device: torch.device) -> Tensor:
    """Draws a smooth random curve within -1..1: float32 [F]."""
    points = math.ceil(frames / rate * DRIFT_POINTS_HZ) + 2
    value_X = uniforms(key, 1, points, device)[0].float() * 2.0 - 1.0
    place_F = torch.arange(frames, device=device) * (DRIFT_POINTS_HZ / rate)
    whole_F = place_F.long()
    share_F = 0.5 - 0.5 * torch.cos(math.pi * (place_F - whole_F))
    return torch.lerp(value_X[whole_F], value_X[whole_F + 1], share_F)
