"""New timbres out of a bank's: layered, in unison, other octaves and formants, equalised, driven, noisy.

A recipe changes a timbre's dry sound, before any envelope, so that clip = gain * dry holds as for any other
timbre, and all clips of the timbre in a block, target and partners alike, have the same change. Ranges are
those of `docs/bank.md`. An altered timbre is nobody's class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.nn.counter_rng import uniforms

CENTS = (4.0, 8.0, 12.0, 16.0)
"""How far voices in unison are off, to either side."""
OCTAVE_CENTS = 1200.0
FORMANTS = (-5, -3, 3, 5)
"""Semitones that a spectrum's envelope moves by: a tone so many semitones away is read faster or slower, so
that its pitch is the note's. At the ends of the bank's range there is no such tone, and they move less."""
BANDS_HZ = (60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0)
EQUALISER_DB, DRIVE_DB, NOISE_DB = 12.0, 24.0, (-60.0, -20.0)
RMS = 0.1


@dataclass(frozen=True, slots=True)
class Recipe:
    """One change: a second timbre (its id) and its share of the amplitude, detuned voices in cents, dB at
    `BANDS_HZ`, dB into the drive, noise in dB against the tone, the key of the noise, octaves up (1) or down
    (-1), semitones that formants move by. None, empty or 0: not done."""

    layer: int | None
    share: float
    cents: tuple[float, ...]
    equaliser_db: tuple[float, ...]
    drive_db: float | None
    noise_db: float | None
    key: int
    octave: int = 0
    formant: int = 0


def draw_recipe(draws: np.random.Generator, others: Sequence[int], key: int, octave: int) -> Recipe:
    """A recipe of one change or more; `others` are timbres that sound in the same octave, `octave` is that.

    Of unison, octave and formants it has one at most: each pitch offset costs a table of weights. An octave
    shift never leads away from the octave that phrases are written in by more than one.
    """
    does = draws.random(5) < 0.5
    does[3] |= not does.any()
    u = draws.random(16)
    moved = int(u[8] * 3) if does[1] else None
    cents = tuple((-1.0) ** v * CENTS[int(u[9 + v] * len(CENTS))] for v in range(1 + int(u[0] * 6)))
    up = 1 if octave < 0 or (octave == 0 and u[1] < 0.5) else -1
    return Recipe(
        layer=others[int(u[4] * len(others))] if does[0] and others else None,
        share=0.2 + 0.6 * float(u[5]),
        cents=cents if moved == 0 else (),
        equaliser_db=tuple((2.0 * draws.random(len(BANDS_HZ)) - 1.0) * EQUALISER_DB) if does[2] else (),
        drive_db=DRIVE_DB * float(u[6]) if does[3] else None,
        noise_db=NOISE_DB[0] + (NOISE_DB[1] - NOISE_DB[0]) * float(u[7]) if does[4] else None,
        key=key,
        octave=up if moved == 1 else 0,
        formant=FORMANTS[int(u[2] * len(FORMANTS))] if moved == 2 else 0,
    )


def altered(
    recipe: Recipe, read: Callable[[int | None, float, int], Tensor], rate: int, place: int
) -> Tensor:
    """A dry phrase by a recipe, [..., F]: `read` gives it on a timbre (None: its own), so many cents off,
    from the tones so many semitones below.

    `place` tells the noise of one phrase from another's.
    """
    off, below = recipe.octave * OCTAVE_CENTS, recipe.formant
    dry = read(None, off, below)
    if recipe.cents:
        voices = [read(None, off + cents, below) for cents in recipe.cents]
        dry = torch.stack([dry, *voices]).sum(0).div_(math.sqrt(1.0 + len(voices)))
    if recipe.layer is not None:
        dry = dry * (1.0 - recipe.share) + read(recipe.layer, off, below) * recipe.share
    if recipe.equaliser_db:
        dry = equalised(dry, recipe.equaliser_db, rate)
    if recipe.drive_db is not None:
        dry = torch.tanh(dry * (10.0 ** (recipe.drive_db / 20.0)))
    if recipe.noise_db is not None:
        # Uniform noise has an RMS of 1 / sqrt(3).
        level = RMS * 10.0 ** (recipe.noise_db / 20.0) * math.sqrt(3.0)
        white = uniforms(recipe.key + place, 1, dry.shape[-1], dry.device)[0].float() * 2.0 - 1.0
        dry = dry * (RMS / dry.square().mean().sqrt().clamp(min=1e-9)) + white * level
    return dry


def equalised(sound: Tensor, band_db: Sequence[float], rate: int) -> Tensor:
    """A sound [..., F] through a smooth, zero-phase response that goes through `band_db` at `BANDS_HZ`."""
    frames = sound.shape[-1]
    octave = np.log2(np.maximum(np.fft.rfftfreq(frames, 1.0 / rate), 1.0))
    response_db = np.interp(octave, np.log2(BANDS_HZ), band_db)
    response = torch.from_numpy(10.0 ** (response_db / 20.0)).to(sound)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(sound) * response, n=frames)
    return filtered
