"""Alters phrases composed from a bank by a recipe: `presets.tones.altering` in torch, for whole phrases.

All clips of a timbre in a block, target and partners alike, change equally. An altered timbre belongs to no
timbre class. See `manifests.synthesis.recipe` for the recipes.

Tensor names: F samples of a clip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from manifests.synthesis.recipe import (
    BREATH_KEY,
    MOTION_KEY,
    RMS,
    TILT_DB,
    ZONE_DB,
    ZONE_KEY,
    Recipe,
    equaliser_gain,
    zone_count,
)
from train.data.bank.modulate import Timeline, add_inharmonic, breath, move
from train.data.bank.pitch_shift import Reading
from train.nn.counter_rng import uniforms

OCTAVE_CENTS = 1200.0


def apply_recipe(
    recipe: Recipe,
    read: Callable[[int | None, Reading], Tensor],
    timeline: Timeline,
    rate: int,
    place: int,
) -> Tensor:
    """Makes a dry phrase, float32 [F] at `rate` Hz, by a recipe.

    `read(timbre, reading)` reads the phrase on a timbre (None: its own). `timeline` is the phrase's. `place`
    is the phrase's number: each has noise of its own.
    """
    plain = Reading(recipe.octave * OCTAVE_CENTS, recipe.formant, recipe.zone)
    dry = read(None, plain)
    if recipe.cents:
        voices = [read(None, plain._replace(cents=plain.cents + cents)) for cents in recipe.cents]
        dry = torch.stack([dry, *voices]).sum(0).div_(math.sqrt(1.0 + len(voices)))
    if recipe.layer is not None:
        dry = dry * (1.0 - recipe.share) + read(recipe.layer, plain) * recipe.share
    if recipe.zone is not None:
        dry = _step_between_zones(dry, recipe.zone, timeline, recipe.key, rate)
    if recipe.inharmonic is not None:
        dry = add_inharmonic(dry, recipe.inharmonic, timeline, recipe.semitones, rate)
    if recipe.motion is not None:
        dry = move(dry, recipe.motion, timeline, recipe.key + MOTION_KEY + place, rate)
    if recipe.equaliser_db:
        dry = equalise(dry, recipe.equaliser_db, rate)
    if recipe.drive_db is not None:
        dry = torch.tanh(dry * (10.0 ** (recipe.drive_db / 20.0)))
    if recipe.noise_db is not None or recipe.breath is not None:
        dry = dry * (RMS / dry.square().mean().sqrt().clamp(min=1e-9))
    if recipe.noise_db is not None:
        # Uniform noise has an RMS of 1 / sqrt(3).
        level = RMS * 10.0 ** (recipe.noise_db / 20.0) * math.sqrt(3.0)
        white = uniforms(recipe.key + place, 1, dry.shape[-1], dry.device)[0].float() * 2.0 - 1.0
        dry = dry + white * level
    if recipe.breath is not None:
        level_db, centre_hz = recipe.breath
        band = breath(dry.shape[-1], centre_hz, recipe.key + BREATH_KEY + place, rate, dry.device)
        dry = dry + band * (RMS * 10.0 ** (level_db / 20.0))
    return dry


def _step_between_zones(
    dry_F: Tensor, zone: tuple[int, int], timeline: Timeline, key: int, rate: int
) -> Tensor:
    """Gives each zone a level and a spectral tilt of its own."""
    step_Z2 = uniforms(key + ZONE_KEY, zone_count(zone[0]), 2, dry_F.device).float()
    zone_F = torch.div(timeline.pitch_F + zone[0] - zone[1], zone[0], rounding_mode="floor")
    level_F = torch.pow(10.0, (2.0 * step_Z2[zone_F, 0] - 1.0) * (ZONE_DB / 20.0))
    return torch.lerp(dry_F, equalise(dry_F, TILT_DB, rate), step_Z2[zone_F, 1]) * level_F


def equalise(sound: Tensor, band_db: Sequence[float], rate: int) -> Tensor:
    """Filters a sound [..., F] at `rate` Hz by a smooth zero-phase response: `band_db` at `BANDS_HZ`."""
    frames = sound.shape[-1]
    response = torch.from_numpy(equaliser_gain(frames, rate, band_db)).to(sound)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(sound) * response, n=frames)
    return filtered
