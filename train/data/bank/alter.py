"""Alters a bank's timbres: layers, unison, octave and formant shifts, equaliser, drive, noise.

A recipe changes a timbre's dry sound, before any envelope. So clip = gain * dry holds as for any other
timbre. All clips of the timbre in a block, target and partners alike, change equally. `docs/bank.md` states
the ranges. An altered timbre belongs to no timbre class.

Tensor names: F samples of a clip.
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
"""Detuning of unison voices in cents, to either side."""
OCTAVE_CENTS = 1200.0
FORMANTS = (-5, -3, 3, 5)
"""Shifts of the spectral envelope in semitones: a tone so many semitones away is read faster or slower, so
that its pitch is the note's. At the ends of the bank's range there is no such tone, and the shift is less."""
BANDS_HZ = (60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0)
EQUALISER_DB, DRIVE_DB, NOISE_DB = 12.0, 24.0, (-60.0, -20.0)
RMS = 0.1


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one timbre is altered. None, an empty tuple or 0 leaves a step out.

    Attributes:
        layer: Id of a second timbre.
        share: Its share of the amplitude, 0..1.
        cents: Detuning of the unison voices.
        equaliser_db: Gains at `BANDS_HZ`.
        drive_db: Gain into the drive.
        noise_db: Level of the noise relative to the tone.
        key: Key of the noise's random stream.
        octave: Octaves up (1) or down (-1).
        formant: Shift of the spectral envelope in semitones.
    """

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
    """Draws a recipe of at least one step.

    `others` are the ids of timbres in the same `octave`, `key` that of the noise. A recipe has at most one of
    unison, octave and formant shift, since each pitch offset takes a table of weights. An octave shift
    leads at most one octave away from that of the phrases.
    """
    enabled = draws.random(5) < 0.5
    enabled[3] |= not enabled.any()
    u = draws.random(16)
    shift = int(u[8] * 3) if enabled[1] else None
    cents = tuple((-1.0) ** v * CENTS[int(u[9 + v] * len(CENTS))] for v in range(1 + int(u[0] * 6)))
    up = 1 if octave < 0 or (octave == 0 and u[1] < 0.5) else -1
    return Recipe(
        layer=others[int(u[4] * len(others))] if enabled[0] and others else None,
        share=0.2 + 0.6 * float(u[5]),
        cents=cents if shift == 0 else (),
        equaliser_db=tuple((2.0 * draws.random(len(BANDS_HZ)) - 1.0) * EQUALISER_DB) if enabled[2] else (),
        drive_db=DRIVE_DB * float(u[6]) if enabled[3] else None,
        noise_db=NOISE_DB[0] + (NOISE_DB[1] - NOISE_DB[0]) * float(u[7]) if enabled[4] else None,
        key=key,
        octave=up if shift == 1 else 0,
        formant=FORMANTS[int(u[2] * len(FORMANTS))] if shift == 2 else 0,
    )


def apply_recipe(
    recipe: Recipe, read: Callable[[int | None, float, int], Tensor], rate: int, place: int
) -> Tensor:
    """Makes a dry phrase, float32 [..., F] at `rate` Hz, by a recipe.

    `read(timbre, cents, below)` reads the phrase on a timbre (None: its own), shifted by so many cents, from
    tones so many semitones below. `place` is the phrase's number: each has noise of its own.
    """
    off, below = recipe.octave * OCTAVE_CENTS, recipe.formant
    dry = read(None, off, below)
    if recipe.cents:
        voices = [read(None, off + cents, below) for cents in recipe.cents]
        dry = torch.stack([dry, *voices]).sum(0).div_(math.sqrt(1.0 + len(voices)))
    if recipe.layer is not None:
        dry = dry * (1.0 - recipe.share) + read(recipe.layer, off, below) * recipe.share
    if recipe.equaliser_db:
        dry = equalise(dry, recipe.equaliser_db, rate)
    if recipe.drive_db is not None:
        dry = torch.tanh(dry * (10.0 ** (recipe.drive_db / 20.0)))
    if recipe.noise_db is not None:
        # Uniform noise has an RMS of 1 / sqrt(3).
        level = RMS * 10.0 ** (recipe.noise_db / 20.0) * math.sqrt(3.0)
        white = uniforms(recipe.key + place, 1, dry.shape[-1], dry.device)[0].float() * 2.0 - 1.0
        dry = dry * (RMS / dry.square().mean().sqrt().clamp(min=1e-9)) + white * level
    return dry


def equalise(sound: Tensor, band_db: Sequence[float], rate: int) -> Tensor:
    """Filters a sound [..., F] at `rate` Hz by a smooth zero-phase response: `band_db` at `BANDS_HZ`."""
    frames = sound.shape[-1]
    octave = np.log2(np.maximum(np.fft.rfftfreq(frames, 1.0 / rate), 1.0))
    response_db = np.interp(octave, np.log2(BANDS_HZ), band_db)
    response = torch.from_numpy(10.0 ** (response_db / 20.0)).to(sound)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(sound) * response, n=frames)
    return filtered
