"""Defines how a timbre may be altered: the recipe, the ranges that it is drawn from, and its formulas.

A recipe changes a timbre's dry sound, before any envelope. So clip = gain * dry holds as for any other
timbre. `docs/bank.md` states the ranges. A recipe is applied in two ways: by the renderer to tone sets
(`presets.tones.altering`, NumPy), and by the trainer to phrases composed from a tone bank
(`train.data.bank.alter`, torch). A test compares both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

RMS = 0.1
"""Level of a tone, and of the sound that noise is added to."""
CENTS = (4.0, 8.0, 12.0, 16.0)
"""Detuning of unison voices in cents, to either side."""
ZONE_WIDTHS = (2, 3, 4, 5)
"""Semitones of a zone, within which every note is read from one tone."""
ONE_SHOT_SHARE, ONE_SHOT_WIDTH, ONE_SHOT_ROOTS = 0.15, 128, (51, 75)
"""Share of zoned recipes with one zone for all pitches, its width, and the lowest and highest pitch of the
one tone that all notes are read from, as in SynthCAT."""
ZONE_DB, ZONE_TILT_DB = 3.0, 6.0
"""Largest steps between zones: of the level, and of the spectrum at the ends of `BANDS_HZ`."""
FORMANTS = (-5, -3, 3, 5)
"""Shifts of the spectral envelope in semitones: a tone so many semitones away is read faster or slower, so
that its pitch is the note's. At the ends of the range there is no such tone, and the shift is less."""
BANDS_HZ = (60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0)
TILT_DB = tuple(np.linspace(-ZONE_TILT_DB, ZONE_TILT_DB, len(BANDS_HZ)).tolist())
EQUALISER_DB, DRIVE_DB, NOISE_DB = 12.0, 24.0, (-60.0, -20.0)
BREATH_DB, BREATH_HZ = (-50.0, -12.0), (400.0, 8000.0)
RING, RING_RATIOS = (0.1, 0.6), (0.3, 4.0)
PARTIAL_DB, PARTIAL_DECAY_S = (-40.0, -6.0), (0.2, 2.0)
FREE_BAR = (2.756, 5.404, 8.933)
"""Frequencies of a free bar's partials over its lowest one."""
STIFFNESS = (0.0005, 0.01)
"""Inharmonicity B of stretched partials at n sqrt(1 + B n^2)."""
HIGHEST_PARTIAL = 0.45
"""Highest frequency of an added partial, as a share of the sample rate."""
CORNER_HZ = (200.0, 2000.0)
"""Corner of the low pass that closes over the note."""
DRIFT_DB, DRIFT_POINTS_HZ = 6.0, 2.0
"""Largest drift of a level, and random levels per second between which it moves."""
CHORUS_MS = 12.0
"""Mean delay of a chorus's second voice."""
BREATH_KEY, MOTION_KEY, ZONE_KEY = 1 << 40, 1 << 41, 1 << 42
"""Added to a recipe's key: the streams of breath, of a drifting level, and of the steps between zones."""

MotionKind = Literal["drift", "tremolo", "vibrato", "chorus", "closing"]

MOTIONS: tuple[tuple[MotionKind, float, float], ...] = (
    ("drift", 0.0, 0.0),
    ("tremolo", 2.0, 8.0),
    ("vibrato", 0.5, 7.0),
    ("chorus", 0.1, 1.5),
    ("closing", 1.0, 8.0),
)
"""Each kind of motion with its lowest and highest rate in Hz; for `closing` it is 1 / its time constant."""


class Inharmonic(NamedTuple):
    """Partials that are no multiples of the pitch.

    Attributes:
        ring: Share of the tone that is ring modulated, 0..1.
        ring_ratio: The modulator's frequency over the note's.
        level_db: Level of added partials relative to the tone.
        ratios: Their frequencies over the note's; none leaves them out.
        decay_s: Time in which they fall by 60 dB; infinite for partials that last.
    """

    ring: float
    ring_ratio: float
    level_db: float
    ratios: tuple[float, ...]
    decay_s: float


class Motion(NamedTuple):
    """A movement within the notes; `depth` is 0..1, `rate_hz` its speed.

    Kinds: `drift` (random level), `tremolo`, `vibrato`, `chorus` (a second voice whose delay varies, so that
    both beat), and `closing` (a low pass at `corner_hz` closes over the note, with time constant 1 / rate).
    """

    kind: MotionKind
    depth: float
    rate_hz: float
    corner_hz: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one timbre is altered. None, an empty tuple or 0 leaves a step out.

    Attributes:
        layer: Id of a second timbre; None in the renderer.
        share: Its share of the amplitude, 0..1.
        cents: Detuning of the unison voices.
        equaliser_db: Gains at `BANDS_HZ`.
        drive_db: Gain into the drive.
        noise_db: Level of the noise relative to the tone.
        key: Key of the random streams of noise, drift and zones.
        octave: Octaves up (1) or down (-1).
        formant: Shift of the spectral envelope in semitones.
        zone: Width and offset in semitones of the zones within which all notes are read from one tone.
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

    Example: `draw_recipe(stream(5, "altered", 17), (), key=7, octave=0).drive_db`.
    """
    enabled = draws.random(5) < 0.5
    enabled[0] &= len(others) > 0
    enabled[3] |= not enabled.any()
    u = draws.random(16)
    equaliser_db = tuple((2.0 * draws.random(len(BANDS_HZ)) - 1.0) * EQUALISER_DB) if enabled[2] else ()
    zoned, inharmonic, moving, breathing = draws.random(4) < 0.5
    v = draws.random(16)
    shift = int(u[8] * 3) if enabled[1] and not zoned else None
    cents = tuple((-1.0) ** k * CENTS[int(u[9 + k] * len(CENTS))] for k in range(1 + int(u[0] * 6)))
    up = 1 if octave < 0 or (octave == 0 and u[1] < 0.5) else -1
    moved = up if shift == 1 else 0
    return Recipe(
        layer=others[int(u[4] * len(others))] if enabled[0] else None,
        share=0.2 + 0.6 * float(u[5]),
        cents=cents if shift == 0 else (),
        equaliser_db=equaliser_db,
        drive_db=DRIVE_DB * float(u[6]) if enabled[3] else None,
        noise_db=_between(NOISE_DB, u[7]) if enabled[4] else None,
        key=key,
        octave=moved,
        formant=FORMANTS[int(u[2] * len(FORMANTS))] if shift == 2 else 0,
        zone=_draw_zone(v[0], v[1], v[14]) if zoned else None,
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


def _draw_zone(u_width: float, u_place: float, u_kind: float) -> tuple[int, int]:
    """Draws the width and the offset of zones, or of a single one, from three numbers."""
    if u_kind < ONE_SHOT_SHARE:
        low, high = ONE_SHOT_ROOTS
        root = low + int(u_place * (high - low + 1))
        return ONE_SHOT_WIDTH, root - (ONE_SHOT_WIDTH - 1) // 2
    width = ZONE_WIDTHS[int(u_width * len(ZONE_WIDTHS))]
    return width, int(u_place * width)


def _draw_inharmonic(u: F64) -> Inharmonic:
    """Draws ring modulation, partials of a bar that die away, or stretched ones that last: six numbers."""
    if u[0] < 1.0 / 3.0:
        return Inharmonic(_between(RING, u[1]), _between(RING_RATIOS, u[2]), 0.0, (), math.inf)
    level_db = _between(PARTIAL_DB, u[3])
    if u[0] < 2.0 / 3.0:
        return Inharmonic(0.0, 0.0, level_db, FREE_BAR, _between_octaves(PARTIAL_DECAY_S, u[4]))
    stiffness = _between_octaves(STIFFNESS, u[5])
    stretched = tuple(n * math.sqrt(1.0 + stiffness * n * n) for n in range(2, 8))
    return Inharmonic(0.0, 0.0, level_db, stretched, math.inf)


def _draw_motion(u: F64) -> Motion:
    """Draws a movement from four numbers."""
    kind, *rates_hz = MOTIONS[int(u[0] * len(MOTIONS))]
    rate_hz = _between((rates_hz[0], rates_hz[1]), u[2])
    return Motion(kind, 0.2 + 0.8 * float(u[1]), rate_hz, _between_octaves(CORNER_HZ, u[3]))


def zone_root(pitch: int, width: int, offset: int) -> int:
    """Returns the MIDI pitch at the middle of a pitch's zone; zones are `width` semitones, from `offset` on.

    >>> [zone_root(pitch, 3, 60) for pitch in (59, 60, 61, 62, 63)]
    [58, 61, 61, 61, 64]
    """
    return pitch - (pitch - offset) % width + (width - 1) // 2


def zone_count(width: int) -> int:
    """Returns the number of zones of `width` semitones that MIDI's pitches can fall into, at any offset.

    Zone number `(pitch + width - offset) // width` has that row of `counter_uniforms(key + ZONE_KEY, count,
    2)`: its level, from -`ZONE_DB` to `ZONE_DB`, and the share of its sound that is tilted by `TILT_DB`.

    >>> zone_count(4)
    34
    """
    return 128 // width + 2


def equaliser_gain(frames: int, rate: int, band_db: Sequence[float]) -> F64:
    """Returns a smooth zero-phase response, float64 [frames // 2 + 1]: `band_db` at `BANDS_HZ`, linear gains.

    >>> equaliser_gain(8, 16_000, [6.0] * 9).round(2).tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0]
    """
    octave = np.log2(np.maximum(np.fft.rfftfreq(frames, 1.0 / rate), 1.0))
    return np.asarray(10.0 ** (np.interp(octave, np.log2(BANDS_HZ), band_db) / 20.0))
