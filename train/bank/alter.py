"""New timbres out of a bank's: layered, in unison, equalised, driven, with noise; before any envelope.

A recipe changes a timbre's dry sound, so that clip = gain * dry holds as for any other timbre, and all clips
of the timbre in a block, target and partners alike, have the same change. Ranges are those of
`docs/bank.md`. An altered timbre is nobody's class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.bank.counters import uniforms

CENTS = (4.0, 8.0, 12.0, 16.0)
"""How far voices in unison are off, to either side."""
BANDS_HZ = (60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0)
EQUALISER_DB, DRIVE_DB, NOISE_DB = 12.0, 24.0, (-60.0, -20.0)
RMS = 0.1


@dataclass(frozen=True, slots=True)
class Recipe:
    """One change: a second timbre (its id) and its share of the amplitude, detuned voices in cents, dB at
    `BANDS_HZ`, dB into the drive, noise in dB against the tone, and the key of the noise. None or empty: not
    done."""

    layer: int | None
    share: float
    cents: tuple[float, ...]
    equaliser_db: tuple[float, ...]
    drive_db: float | None
    noise_db: float | None
    key: int


def draw_recipe(draws: np.random.Generator, others: Sequence[int], key: int) -> Recipe:
    """A recipe of one change or more; `others` are timbres that sound in the same octave."""
    does = draws.random(5) < 0.5
    does[3] |= not does.any()
    u = draws.random(16)
    voices = 1 + int(u[0] * 3)
    cents = tuple(sign * CENTS[int(u[1 + v] * len(CENTS))] for v in range(voices) for sign in (-1.0, 1.0))
    return Recipe(
        layer=others[int(u[4] * len(others))] if does[0] and others else None,
        share=0.2 + 0.6 * float(u[5]),
        cents=cents if does[1] else (),
        equaliser_db=tuple((2.0 * draws.random(len(BANDS_HZ)) - 1.0) * EQUALISER_DB) if does[2] else (),
        drive_db=DRIVE_DB * float(u[6]) if does[3] else None,
        noise_db=NOISE_DB[0] + (NOISE_DB[1] - NOISE_DB[0]) * float(u[7]) if does[4] else None,
        key=key,
    )


def altered(recipe: Recipe, read: Callable[[int | None, float], Tensor], rate: int, place: int) -> Tensor:
    """A dry phrase by a recipe, [..., F]: `read` gives it on a timbre (None: its own), so many cents off.

    `place` tells the noise of one phrase from another's.
    """
    dry = read(None, 0.0)
    if recipe.cents:
        voices = [read(None, cents) for cents in recipe.cents]
        dry = torch.stack([dry, *voices]).sum(0).div_(math.sqrt(1.0 + len(voices)))
    if recipe.layer is not None:
        dry = dry * (1.0 - recipe.share) + read(recipe.layer, 0.0) * recipe.share
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
