"""Detects the octave a timbre sounds at: the fundamental of its tones against the MIDI notes played.

`manifests.synthesis.pitch` detects the fundamental; the audit uses it too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from manifests.synthesis.pitch import frequency

F32 = npt.NDArray[np.float32]

WINDOW_S = 0.25
TOLERANCE_SEMITONES = 0.5
FARTHEST_OCTAVE = 3
MOST_TONES = 12


def detect_octave(tone: F32, rate: int, note: int) -> int | None:
    """Detects how many octaves above the MIDI `note` a tone sounds.

    `tone` is float32 [samples]; 0.25 s from its middle is analysed. Returns None if the tone has no pitch, or
    one that is over half a semitone from every octave of `note` up to three away.

    Example::

        octave = detect_octave(tone, 44100, 60)
    """
    length = min(int(WINDOW_S * rate), len(tone))
    start = (len(tone) - length) // 2
    frequency_hz = frequency(tone[start : start + length], rate)
    if frequency_hz is None:
        return None
    semitones = 69.0 + 12.0 * np.log2(frequency_hz / 440.0) - note
    octave = round(semitones / 12.0)
    if abs(semitones - 12 * octave) > TOLERANCE_SEMITONES or abs(octave) > FARTHEST_OCTAVE:
        return None
    return int(octave)


def vote_octave(tones: Sequence[F32], notes: Sequence[int], rate: int) -> tuple[int, float]:
    """Detects a timbre's octave by a majority vote over its tones.

    `tones` are float32 [samples] each, `notes` their MIDI pitches. At most 12 evenly spread tones are
    analysed. Returns the octave, and the share of analysed tones that have it: (0, 0.0) if none has a pitch.
    A tie goes to the octave nearest to 0, then to the lower one.
    """
    count = min(len(tones), MOST_TONES)
    chosen = sorted({round(i * (len(tones) - 1) / max(count - 1, 1)) for i in range(count)})
    octaves = [detect_octave(tones[i], rate, notes[i]) for i in chosen]
    votes = [octave for octave in octaves if octave is not None]
    if not votes:
        return 0, 0.0
    best = min(set(votes), key=lambda octave: (-votes.count(octave), abs(octave), octave))
    return best, votes.count(best) / len(chosen)
