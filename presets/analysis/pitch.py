"""Which octave a timbre sounds at: the period of its tones against the notes that were asked for.

The period itself is found in `manifests.synthesis.pitch`, which the audit shares.
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


def vote_octave(tones: Sequence[F32], notes: Sequence[int], rate: int) -> tuple[int, float]:
    """The octave that most tones sound at, and the share of all tones heard that do (0 if none has one).

    At most 12 tones are heard, evenly spread; a tie goes to the octave nearest to 0, then to the lower.
    """
    count = min(len(tones), MOST_TONES)
    chosen = sorted({round(i * (len(tones) - 1) / max(count - 1, 1)) for i in range(count)})
    octaves = [detect_octave(tones[i], rate, notes[i]) for i in chosen]
    heard = [octave for octave in octaves if octave is not None]
    if not heard:
        return 0, 0.0
    best = min(set(heard), key=lambda octave: (-heard.count(octave), abs(octave), octave))
    return best, heard.count(best) / len(chosen)
