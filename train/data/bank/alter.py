"""Alters a bank's timbres: layers, unison, octave and formant shifts, zones, equaliser, drive, noise, motion.

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
import numpy.typing as npt
import torch
from torch import Tensor

from train.data.bank.modulate import (
    RMS,
    Inharmonic,
    Motion,
    MotionKind,
    Timeline,
    add_inharmonic,
    breath,
    move,
)
from train.data.bank.pitch_shift import Reading
from train.nn.counter_rng import uniforms

Floats = npt.NDArray[np.float64]

CENTS = (4.0, 8.0, 12.0, 16.0)
"""Detuning of unison voices in cents, to either side."""
OCTAVE_CENTS = 1200.0
ZONE_WIDTHS = (2, 3, 4, 5)
"""Semitones of a zone, within which every note is read from one tone."""
ZONE_DB, ZONE_TILT_DB = 3.0, 6.0
"""Largest steps between zones: of the level, and of the spectrum at the ends of `BANDS_HZ`."""
FORMANTS = (-5, -3, 3, 5)
"""Shifts of the spectral envelope in semitones: a tone so many semitones away is read faster or slower, so
that its pitch is the note's. At the ends of the bank's range there is no such tone, and the shift is less."""
BANDS_HZ = (60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0)
EQUALISER_DB, DRIVE_DB, NOISE_DB = 12.0, 24.0, (-60.0, -20.0)
BREATH_DB, BREATH_HZ = (-50.0, -12.0), (400.0, 8000.0)
RING, RING_RATIOS = (0.1, 0.6), (0.3, 4.0)
PARTIAL_DB, PARTIAL_DECAY_S = (-40.0, -6.0), (0.2, 2.0)
FREE_BAR = (2.756, 5.404, 8.933)
"""Frequencies of a free bar's partials over its lowest one."""
STIFFNESS = (0.0005, 0.01)
"""Inharmonicity B of stretched partials at n sqrt(1 + B n^2)."""
MOTIONS: tuple[tuple[MotionKind, float, float], ...] = (
    ("drift", 0.0, 0.0),
    ("tremolo", 2.0, 8.0),
    ("vibrato", 0.5, 7.0),
    ("chorus", 0.1, 1.5),
    ("closing", 1.0, 8.0),
)
"""Each kind of motion with its lowest and highest rate in Hz; for `closing` it is 1 / its time constant."""
CORNER_HZ = (200.0, 2000.0)
"""Corner of the low pass that closes over the note."""
BREATH_KEY, MOTION_KEY, ZONE_KEY = 1 << 40, 1 << 41, 1 << 42
"""Added to a recipe's key: the streams of breath, of a drifting level, and of the steps between zones."""


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
        zone: Width and offset of zones in semitones (see `Reading`).
        inharmonic: Partials that are no multiples of the pitch.
        motion: What moves within notes.
        breath: Level of breath noise relative to the tone in dB, and the middle of its band in Hz.
        semitones: From the written to the sounding pitch.
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
    zone: tuple[int, int] | None = None
    inharmonic: Inharmonic | None = None
    motion: Motion | None = None
    breath: tuple[float, float] | None = None
    semitones: int = 0


def draw_recipe(draws: np.random.Generator, others: Sequence[int], key: int, octave: int) -> Recipe:
    """Draws a recipe of at least one step.

    `others` are the ids of timbres in the same `octave`, `key` that of the noise. A recipe has at most one of
    unison, octave, formant shift and zones, since each pitch offset takes a table of weights. An octave shift
    leads at most one octave away from that of the phrases.
    """
    enabled = draws.random(5) < 0.5
    enabled[3] |= not enabled.any()
    u = draws.random(16)
    equaliser_db = tuple((2.0 * draws.random(len(BANDS_HZ)) - 1.0) * EQUALISER_DB) if enabled[2] else ()
    zoned, inharmonic, moving, breathing = draws.random(4) < 0.5
    v = draws.random(16)
    width = ZONE_WIDTHS[int(v[0] * len(ZONE_WIDTHS))]
    shift = int(u[8] * 3) if enabled[1] and not zoned else None
    cents = tuple((-1.0) ** k * CENTS[int(u[9 + k] * len(CENTS))] for k in range(1 + int(u[0] * 6)))
    up = 1 if octave < 0 or (octave == 0 and u[1] < 0.5) else -1
    moved = up if shift == 1 else 0
    return Recipe(
        layer=others[int(u[4] * len(others))] if enabled[0] and others else None,
        share=0.2 + 0.6 * float(u[5]),
        cents=cents if shift == 0 else (),
        equaliser_db=equaliser_db,
        drive_db=DRIVE_DB * float(u[6]) if enabled[3] else None,
        noise_db=_between(NOISE_DB, u[7]) if enabled[4] else None,
        key=key,
        octave=moved,
        formant=FORMANTS[int(u[2] * len(FORMANTS))] if shift == 2 else 0,
        zone=(width, int(v[1] * width)) if zoned else None,
        inharmonic=_draw_inharmonic(v[2:8]) if inharmonic else None,
        motion=_draw_motion(v[8:12]) if moving else None,
        breath=(_between(BREATH_DB, v[12]), _between_octaves(BREATH_HZ, v[13])) if breathing else None,
        semitones=12 * (octave + moved),
    )


def _between(bounds: tuple[float, float], u: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * float(u)


def _between_octaves(bounds: tuple[float, float], u: float) -> float:
    low, high = bounds
    return low * math.exp(math.log(high / low) * float(u))


def _draw_inharmonic(u: Floats) -> Inharmonic:
    """Draws ring modulation, partials of a bar that die away, or stretched ones that last: six numbers."""
    if u[0] < 1.0 / 3.0:
        return Inharmonic(_between(RING, u[1]), _between(RING_RATIOS, u[2]), 0.0, (), math.inf)
    level_db = _between(PARTIAL_DB, u[3])
    if u[0] < 2.0 / 3.0:
        return Inharmonic(0.0, 0.0, level_db, FREE_BAR, _between_octaves(PARTIAL_DECAY_S, u[4]))
    stiffness = _between_octaves(STIFFNESS, u[5])
    stretched = tuple(n * math.sqrt(1.0 + stiffness * n * n) for n in range(2, 8))
    return Inharmonic(0.0, 0.0, level_db, stretched, math.inf)


def _draw_motion(u: Floats) -> Motion:
    """Draws a movement from four numbers."""
    kind, *rates_hz = MOTIONS[int(u[0] * len(MOTIONS))]
    rate_hz = _between((rates_hz[0], rates_hz[1]), u[2])
    return Motion(kind, 0.2 + 0.8 * float(u[1]), rate_hz, _between_octaves(CORNER_HZ, u[3]))


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
    step_Z2 = uniforms(key + ZONE_KEY, 128 // zone[0] + 2, 2, dry_F.device).float()
    zone_F = torch.div(timeline.pitch_F + zone[0] - zone[1], zone[0], rounding_mode="floor")
    level_F = torch.pow(10.0, (2.0 * step_Z2[zone_F, 0] - 1.0) * (ZONE_DB / 20.0))
    tilt_db = np.linspace(-ZONE_TILT_DB, ZONE_TILT_DB, len(BANDS_HZ)).tolist()
    return torch.lerp(dry_F, equalise(dry_F, tilt_db, rate), step_Z2[zone_F, 1]) * level_F


def equalise(sound: Tensor, band_db: Sequence[float], rate: int) -> Tensor:
    """Filters a sound [..., F] at `rate` Hz by a smooth zero-phase response: `band_db` at `BANDS_HZ`."""
    frames = sound.shape[-1]
    octave = np.log2(np.maximum(np.fft.rfftfreq(frames, 1.0 / rate), 1.0))
    response_db = np.interp(octave, np.log2(BANDS_HZ), band_db)
    response = torch.from_numpy(10.0 ** (response_db / 20.0)).to(sound)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(sound) * response, n=frames)
    return filtered
