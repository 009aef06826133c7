"""Takes samples of a timbre: a tone every third semitone, with a seamless loop and its deviation in pitch.

Shape suffixes: W samples of a tone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve

from manifests.dsp.similarity import end_similarity
from manifests.synthesis.pitch import frequency
from manifests.types import Envelope, InputError, Note
from train.codec.api import Codec
from train.systems.base import Audio, Factors

F64 = npt.NDArray[np.float64]

STEP = 3
"""Semitones from sample to sample."""

TONE_S = 2.4
"""Seconds of a sample."""

SPARE_S = 0.1
"""Seconds of a tone that are played beyond the sample's end, and left out with the fade at the tone's end."""

SHORTEST_LOOP_S, LONGEST_LOOP_S = 0.3, 1.2
"""Limits of a loop in seconds."""

CROSSFADE_S = 0.1
"""Crossfade at the end of a loop, and the stretch that is compared to find it, in seconds."""

PITCH_S = 0.18
"""Length of the stretches in which the pitch is measured, in seconds."""

MOST_CENTS = 60.0
"""A tone whose pitch is measured farther from its note is taken for inharmonic, and not tuned."""

EVEN_S = 0.1
"""Length of the window in which levels are evened: slower changes are removed, faster ones stay."""

ONSET_S = 0.15
"""Seconds after which, and within which, the evening of levels sets in: what comes before is the onset."""

HARMONICS = 8
"""Harmonics whose frequencies tell the pitch of a tone without a clear period."""

PEAK = 10.0 ** (-1.0 / 20.0)
"""Highest peak of all samples."""

LOWEST, HIGHEST = 0, 127


class Sample(NamedTuple):
    """One sampled tone.

    Attributes:
        pitch: MIDI pitch.
        low, high: lowest and highest key that it plays.
        audio_W: float32 [n], full scale 1; it ends where its loop ends.
        loop: the loop's length in samples.
        cents: what tunes it to its pitch, in cents; 0 if its pitch cannot be measured.
        tuned: whether its pitch could be measured.
    """

    pitch: int
    low: int
    high: int
    audio_W: Audio
    loop: int
    cents: float
    tuned: bool


def sample_timbre(codec: Codec, factors: Factors, lowest: int, highest: int) -> list[Sample]:
    """Plays the timbre's tones from `lowest` to `highest`, without envelope, and loops them.

    The samples keep their levels relative to each other; the highest peak of all is -1 dBFS. Factors are
    those of `Codec.encode`; of them only the timbre is used.

    Raises InputError if the range is none, or the timbre is silent.

    Example: `sample_timbre(codec, codec.encode("a.wav"), 48, 72)`
    """
    if not LOWEST <= lowest <= highest <= HIGHEST:
        raise InputError(f"range {lowest}..{highest}: expected MIDI pitches {LOWEST}..{HIGHEST} in order")
    pitches = list(range(min(lowest + 1, highest), highest + 1, STEP))
    tones = play_tones(codec, factors, pitches)
    looped = [loop_tone(even_level(tone_W, codec.rate), codec.rate) for tone_W in tones]
    peak = max(float(np.abs(tone_W).max()) for tone_W, _ in looped)
    if peak <= 0.0:
        raise InputError("recording: its timbre is silent, so there is nothing to sample")
    samples = []
    for pitch, tone_W, (looped_W, loop) in zip(pitches, tones, looped, strict=True):
        deviation = measure_cents(tone_W[len(tone_W) // 2 :], pitch, codec.rate)
        high = highest if pitch == pitches[-1] else pitch + 1
        samples.append(
            Sample(
                pitch,
                max(pitch - 1, lowest),
                high,
                looped_W * np.float32(PEAK / peak),
                loop,
                -(deviation or 0.0),
                deviation is not None,
            )
        )
    return samples


def play_tones(codec: Codec, factors: Factors, pitches: Sequence[int]) -> list[Audio]:
    """Plays dry tones of `TONE_S`, all in one call, so that their levels keep their relation."""
    length, whole = round(TONE_S * codec.rate), round((TONE_S + SPARE_S) * codec.rate)
    seconds = whole / codec.rate
    notes = tuple(Note(i * seconds, seconds, pitch, 127) for i, pitch in enumerate(pitches))
    flat = Envelope(attack_ms=0.0, decay_ms=0.0, sustain=1.0, release_ms=0.0)
    played = codec.decode(
        replace(factors, notes=notes, envelope=flat, octave=0, samples=len(pitches) * whole, doubts=())
    ).audio
    return [played[i * whole : i * whole + length] for i in range(len(pitches))]


def even_level(tone_W: Audio, rate: int) -> Audio:
    """Removes slow changes of level after the onset, which a loop would repeat as a beat.

    They are what is left of the recording's envelope where that was not measured exactly.
    """
    window = np.hanning(round(EVEN_S * rate))
    power = fftconvolve(np.square(tone_W, dtype=np.float64), window / window.sum(), mode="same")
    # Beyond both ends there is nothing: their own power counts as that.
    power /= fftconvolve(np.ones(len(tone_W)), window / window.sum(), mode="same")
    level = np.sqrt(np.maximum(power, 1e-12))
    weight = np.clip(np.arange(len(tone_W)) / (ONSET_S * rate) - 1.0, 0.0, 1.0)
    target = np.median(level[len(level) // 2 :])
    return np.asarray(tone_W * (target / level) ** weight, dtype=np.float32)


def loop_tone(tone_W: Audio, rate: int) -> tuple[Audio, int]:
    """Loops a tone's end: returns the tone, whose end leads into the loop's start, and the loop's length.

    The loop is the one whose end is most similar to what precedes its start. A crossfade leads from the one
    to the other. Its weights follow from their correlation, so that the level does not change: waves that
    are alike add in amplitude, noise adds in power.
    """
    length, width = len(tone_W), round(CROSSFADE_S * rate)
    least, most = round(SHORTEST_LOOP_S * rate), round(LONGEST_LOOP_S * rate)
    # In units in which silence has an energy of 1, as `end_similarity` expects.
    tone_1W = 32767.0 * np.asarray(tone_W, dtype=np.float64)[None]
    similarity = end_similarity(tone_1W[:, length - width - most : length - least], tone_1W[:, -width:])
    loop = most - int(similarity[0].argmax())
    ending, earlier = tone_1W[0, length - width :], tone_1W[0, length - width - loop : length - loop]
    share = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / width)
    energies = float(ending @ ending), float(earlier @ earlier)
    alike = float(np.clip(ending @ earlier / max((energies[0] * energies[1]) ** 0.5, 1e-9), 0.0, 1.0))
    power = (1.0 - share) ** 2 + share**2 + 2.0 * alike * share * (1.0 - share)
    mixed = ((1.0 - share) * ending + share * earlier) / np.sqrt(power)
    looped = np.concatenate([tone_1W[0, : length - width], mixed]) / 32767.0
    return looped.astype(np.float32), loop


def measure_cents(tone_W: Audio, pitch: int, rate: int) -> float | None:
    """Measures how far a steady tone is above its MIDI pitch, in cents; None if it has no such pitch.

    The period of its waveform tells it, or, where that is of several notes, its harmonics.
    """
    width = min(round(PITCH_S * rate), len(tone_W))
    starts = np.linspace(0, len(tone_W) - width, 5).astype(int)
    measured = [frequency(tone_W[start : start + width], rate) for start in starts]
    cents = [100.0 * (69.0 + 12.0 * np.log2(hz / 440.0) - pitch) for hz in measured if hz is not None]
    middle = float(np.median(cents)) if cents else MOST_CENTS
    return middle if abs(middle) < MOST_CENTS else _harmonic_cents(tone_W, pitch, rate)


def _harmonic_cents(tone_W: Audio, pitch: int, rate: int) -> float | None:
    """Measures the same by the peaks of the spectrum near the note's harmonics, weighted by their power."""
    size = 4 * len(tone_W)
    power = np.abs(np.fft.rfft(tone_W * np.hanning(len(tone_W)), size)) ** 2
    expected = 440.0 * 2.0 ** ((pitch - 69) / 12.0) * size / rate
    found: list[tuple[float, float]] = []
    for harmonic in range(1, HARMONICS + 1):
        low, high = (int(harmonic * expected * 2.0 ** (c / 1200.0)) for c in (-MOST_CENTS, MOST_CENTS))
        if high + 2 >= len(power):
            break
        at = low + int(power[low : high + 1].argmax())
        left, middle, right = np.log(power[at - 1 : at + 2] + 1e-30)
        if middle < max(left, right):
            continue
        shift = 0.5 * (left - right) / min(left - 2.0 * middle + right, -1e-12)
        found.append((1200.0 * np.log2((at + shift) / (harmonic * expected)), float(power[at])))
    if sum(share for _, share in found) < 1e-4 * power.max() or not power.any():
        return None
    return float(np.average([cents for cents, _ in found], weights=[share for _, share in found]))
