"""Alters a tone set by a recipe, tone by tone: `train.data.bank.alter` in NumPy, for the renderer.

The recipe's steps come in the same order, and noise, drift and zones use the same random streams. Four
things differ from a phrase composed from a bank: noise and drift begin anew with each tone, filters see the
tone alone, what lies below 10 Hz is removed, and one gain for the whole set brings its RMS to 0.1. So levels
differ between tones as the equaliser and the zones make them. A tone that is read faster goes on in its loop,
as in a bank.

Array names: F samples of a tone, K tones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manifests.dataset.bank import read_places, source_pitch
from manifests.dsp.windowed_sinc import shift_weights
from manifests.splits.seeds import counter_uniforms
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
    zone_root,
)
from presets.analysis.fingerprint import mel_fingerprint
from presets.analysis.levels import frame_levels_db, without_rumble
from presets.analysis.pitch import vote_octave
from presets.tones.loops import add_loops
from presets.tones.modulation import add_inharmonic, breath, move
from presets.tones.tone_set import ToneSet, quantised

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]


def alter_tone_set(plain: ToneSet, recipe: Recipe) -> ToneSet:
    """Alters a tone set; the RMS of all its tones together is 0.1.

    The octave is that of the plain set, moved by the recipe's. `pitch_confidence` is the share of tones that
    still sound in it, and 0 if most sound in another one. Raises ValueError for a recipe with a second layer.

    Example: `alter_tone_set(tones, draw_recipe(draws, (), key, tones.octave)).octave`.
    """
    if recipe.layer is not None:
        raise ValueError("recipe of a tone set: a second timbre's layer is mixed in by a bank only")
    pitches = [plain.lowest_pitch + place * plain.step for place in range(len(plain.samples))]
    tones = altered_tones(plain, recipe)
    octave = plain.octave + recipe.octave
    heard, share = vote_octave(tones, pitches, plain.rate)
    samples, scales = quantised(tones)
    return ToneSet.create(
        samples=samples,
        scales=scales,
        lowest_pitch=plain.lowest_pitch,
        step=plain.step,
        rate=plain.rate,
        octave=octave,
        pitch_confidence=share if heard == octave else 0.0,
        level_variation_db=float(np.median([np.std(frame_levels_db(tone, plain.rate)) for tone in tones])),
        fingerprint=mel_fingerprint(tones, plain.rate),
    )


def altered_tones(plain: ToneSet, recipe: Recipe) -> list[F32]:
    """Returns a set's tones altered by a recipe: K arrays float32 [F], by rising pitch.

    Example: `altered_tones(tones, recipe)[0].shape` is (132300,).
    """
    looped, rate = _Looped.of(plain), plain.rate
    # Kept as float32, which halves a worker's memory.
    tones = [_before_noise(looped, pitch, recipe, rate).astype(np.float32) for pitch in looped.pitches]
    if recipe.noise_db is not None or recipe.breath is not None:
        tones = _levelled(tones)
        tones = [
            _with_noise(tone, recipe, pitch, rate).astype(np.float32)
            for tone, pitch in zip(tones, looped.pitches, strict=True)
        ]
    # A drive of an asymmetric wave, or ring modulation, may leave DC: an envelope would make it a thump.
    return _levelled([without_rumble(tone, rate) for tone in tones])


def _before_noise(looped: _Looped, pitch: int, recipe: Recipe, rate: int) -> F64:
    """Makes the tone of a written pitch, up to the drive."""
    cents = 1200.0 * recipe.octave
    voices = [looped.read(pitch, cents + more, recipe.formant, recipe.zone) for more in (0.0, *recipe.cents)]
    dry_F = np.sum(voices, axis=0) / math.sqrt(len(voices))
    if recipe.zone is not None:
        dry_F = _zone_step(dry_F, recipe.zone, pitch, recipe.key, rate)
    if recipe.inharmonic is not None:
        dry_F = add_inharmonic(dry_F, recipe.inharmonic, pitch + recipe.semitones, rate)
    if recipe.motion is not None:
        dry_F = move(dry_F, recipe.motion, recipe.key + MOTION_KEY + pitch, rate)
    if recipe.equaliser_db:
        dry_F = _equalised(dry_F, recipe.equaliser_db, rate)
    if recipe.drive_db is not None:
        dry_F = np.tanh(dry_F * 10.0 ** (recipe.drive_db / 20.0))
    return np.asarray(dry_F)


def _with_noise(tone_F: F32, recipe: Recipe, pitch: int, rate: int) -> F64:
    """Adds white and breath noise to a tone of a set with an RMS of 0.1."""
    dry_F = tone_F.astype(np.float64)
    if recipe.noise_db is not None:
        # Uniform noise has an RMS of 1 / sqrt(3).
        level = RMS * 10.0 ** (recipe.noise_db / 20.0) * math.sqrt(3.0)
        dry_F = dry_F + (counter_uniforms(recipe.key + pitch, 1, len(dry_F))[0] * 2.0 - 1.0) * level
    if recipe.breath is not None:
        level_db, centre_hz = recipe.breath
        band_F = breath(len(dry_F), centre_hz, recipe.key + BREATH_KEY + pitch, rate)
        dry_F = dry_F + band_F * (RMS * 10.0 ** (level_db / 20.0))
    return dry_F


def _zone_step(dry_F: F64, zone: tuple[int, int], pitch: int, key: int, rate: int) -> F64:
    """Gives a tone the level and the spectral tilt of its zone."""
    width, offset = zone
    steps = counter_uniforms(key + ZONE_KEY, zone_count(width), 2)[(pitch + width - offset) // width]
    tilted_F = _equalised(dry_F, TILT_DB, rate)
    level = 10.0 ** ((2.0 * steps[0] - 1.0) * ZONE_DB / 20.0)
    return np.asarray((dry_F + (tilted_F - dry_F) * steps[1]) * level)


def _equalised(dry_F: F64, band_db: Sequence[float], rate: int) -> F64:
    response = equaliser_gain(len(dry_F), rate, band_db)
    return np.asarray(np.fft.irfft(np.fft.rfft(dry_F) * response, n=len(dry_F)))


def _levelled(tones: list[F32]) -> list[F32]:
    """Scales tones by one gain, so that their RMS, taken over all of them, is 0.1."""
    rms = float(np.sqrt(np.mean([np.mean(np.square(tone, dtype=np.float64)) for tone in tones])))
    return [tone * np.float32(RMS / max(rms, 1e-9)) for tone in tones]


@dataclass(frozen=True)
class _Looped:
    """A plain set's tones with their loops, as a bank holds them; `frames` is the length of a tone."""

    samples: I16
    loop_starts: I64
    scales: F32
    pitches: list[int]
    frames: int

    @classmethod
    def of(cls, plain: ToneSet) -> _Looped:
        samples, starts = add_loops(np.asarray(plain.samples), plain.rate)
        pitches = [plain.lowest_pitch + place * plain.step for place in range(len(samples))]
        return cls(samples, starts, plain.scales, pitches, plain.samples.shape[1])

    def read(self, pitch: int, cents: float, below: int, zone: tuple[int, int] | None) -> F64:
        """Reads the tone of a pitch, from its own or another tone (see `Recipe`): float64 [F]."""
        root = pitch if zone is None else zone_root(pitch, *zone)
        kept = source_pitch(root - below, self.pitches)
        place = self.pitches.index(kept)
        tone, scale = self.samples[place], float(self.scales[place])
        semitones = pitch - kept + cents / 100.0
        if not semitones:
            return np.asarray(tone[: self.frames] * scale)
        first_F, weights = _weights(self.frames, semitones)
        taps = weights.shape[1]
        needed = int(first_F[-1]) + taps
        whole = tone[read_places(needed, int(self.loop_starts[place]), len(tone))].astype(np.float32)
        # Before its start a tone stays at its first sample.
        before = int(-first_F[0])
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(whole, (before, 0), "edge"), taps)
        read_F = np.einsum("ij,ij->i", windows[first_F + before], weights)
        return np.asarray(read_F.astype(np.float64) * scale)


@lru_cache(maxsize=6)
def _weights(frames: int, semitones: float) -> tuple[I64, F32]:
    """Keeps the weights of the shifts used last, as many as unison has; those of a tone of 3 s take 9 MB."""
    return shift_weights(frames, semitones)
