"""Which octave a timbre sounds at: the period of its tones against the notes that were asked for.

The period of a tone is found by the McLeod pitch method (McLeod and Wyvill 2005): the first peak of the
normalised autocorrelation that comes close to the highest one. It asks when a waveform repeats, so a
missing fundamental or loud overtones do not mislead it, and noise, which never repeats, is told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

WINDOW_S = 0.25
CLARITY = 0.6
"""A tone that resembles itself one period later by less than this has no pitch."""
NEARLY_HIGHEST = 0.9
TOLERANCE_SEMITONES = 0.5
FARTHEST_OCTAVE = 3
HIGHEST_HZ = 9000.0
LOWEST_HZ = 16.0
MOST_TONES = 12


def self_likeness(window: F64) -> F64:
    """The normalised square difference function as a likeness, 1 for an exact repeat: [samples / 2]."""
    count = len(window)
    spectrum = np.fft.rfft(window, 2 * count)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum))[: count // 2]
    squares = np.concatenate([[0.0], np.cumsum(window * window)])
    lags = np.arange(count // 2)
    energy = squares[count - lags] + squares[count] - squares[lags]
    return np.asarray(2.0 * correlation / np.maximum(energy, 1e-20))


def frequency(window: F32, rate: int) -> float | None:
    """The pitch of a steady stretch of sound in Hz, None if it has none. `window` is [samples]."""
    likeness = self_likeness(np.asarray(window, dtype=np.float64))
    below = np.flatnonzero(likeness < 0.0)
    if len(below) == 0:
        return None
    first, last = int(below[0]), min(int(rate / LOWEST_HZ), len(likeness) - 2)
    inner = likeness[1:-1]
    peaks = np.flatnonzero((inner > likeness[:-2]) & (inner >= likeness[2:])) + 1
    peaks = peaks[(peaks > max(first, rate / HIGHEST_HZ - 1)) & (peaks <= last)]
    if len(peaks) == 0:
        return None
    places, heights = _refine(likeness, peaks)
    if heights.max() < CLARITY:
        return None
    chosen = int(np.flatnonzero(heights >= NEARLY_HIGHEST * heights.max())[0])
    period = float(places[chosen])
    # A short period is read off far more exactly many repeats later.
    for repeats in (4, 16):
        at = np.abs(places - repeats * period)
        near = int(np.argmin(at))
        if at[near] < 0.25 * period and heights[near] >= CLARITY:
            period = float(places[near]) / repeats
    return rate / period


def _refine(values: F64, peaks: npt.NDArray[np.intp]) -> tuple[F64, F64]:
    """Peaks between samples, by a parabola through three of them: places and heights."""
    left, middle, right = values[peaks - 1], values[peaks], values[peaks + 1]
    bend = left - 2.0 * middle + right
    shift = np.where(bend < 0.0, 0.5 * (left - right) / np.minimum(bend, -1e-12), 0.0)
    return np.asarray(peaks + shift, dtype=np.float64), middle - 0.25 * (left - right) * shift


def octave_of_tone(tone: F32, rate: int, note: int) -> int | None:
    """The whole octaves from `note` to what sounds; None for no pitch or one that is no octave away."""
    length = min(int(WINDOW_S * rate), len(tone))
    start = (len(tone) - length) // 2
    heard = frequency(tone[start : start + length], rate)
    if heard is None:
        return None
    semitones = 69.0 + 12.0 * np.log2(heard / 440.0) - note
    octave = round(semitones / 12.0)
    if abs(semitones - 12 * octave) > TOLERANCE_SEMITONES or abs(octave) > FARTHEST_OCTAVE:
        return None
    return int(octave)


def vote(tones: Sequence[F32], notes: Sequence[int], rate: int) -> tuple[int, float]:
    """The octave that most tones sound at, and the share of all tones heard that do (0 if none has one).

    At most 12 tones are heard, evenly spread; a tie goes to the octave nearest to 0, then to the lower.
    """
    count = min(len(tones), MOST_TONES)
    chosen = sorted({round(i * (len(tones) - 1) / max(count - 1, 1)) for i in range(count)})
    octaves = [octave_of_tone(tones[i], rate, notes[i]) for i in chosen]
    heard = [octave for octave in octaves if octave is not None]
    if not heard:
        return 0, 0.0
    best = min(set(heard), key=lambda octave: (-heard.count(octave), abs(octave), octave))
    return best, heard.count(best) / len(chosen)
