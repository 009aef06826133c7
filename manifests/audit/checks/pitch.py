"""Pitch check: the pitch measured in clips is that of the phrase, in the octave of the timbre.

The longest notes of a clip are measured after their attack. A clip is a finding if most of its notes that
have a measurable pitch have another one. How many were measured is reported, since silence proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from manifests.audit.findings import Finding
from manifests.audit.tables import Tables
from manifests.dataset.clip_audio import clip_sound
from manifests.dataset.layout import Layout
from manifests.dataset.rows import envelope_of, notes_of
from manifests.splits.seeds import permutation
from manifests.synthesis.compose import spans
from manifests.synthesis.pitch import frequency
from manifests.types import Envelope, Note

CONFIDENT = 0.9
"""Timbres whose tones agree less on their octave are left out."""
WINDOW_S, SHORTEST_S = 0.2, 0.08
"""Length of a note that is measured, at most and at least."""
NOTES = 4
"""Notes of a clip that are measured, the longest first."""
TOLERANCE_SEMITONES = 0.6


def pitch_errors(
    sound: npt.NDArray[np.float32], rate: int, notes: Sequence[Note], envelope: Envelope, octave: int
) -> list[float]:
    """Measures the longest notes of a clip.

    Args:
        sound: The clip, float32 [samples].
        rate: Sample rate, Hz.
        notes: Its phrase.
        envelope: Its envelope; the attack is left out.
        octave: Octaves that its timbre sounds above the written note.

    Returns:
        Measured less written pitch in semitones, of each note that has a measurable pitch.
    """
    errors = []
    placed = list(zip(notes, spans(notes, rate, len(sound)), strict=True))
    for note, span in sorted(placed, key=lambda pair: pair[1].onset - pair[1].off)[:NOTES]:
        start = span.onset + int(envelope.attack_ms / 1000 * rate)
        window = sound[start : min(span.off, start + int(WINDOW_S * rate))]
        if len(window) < SHORTEST_S * rate or (hertz := frequency(window, rate)) is None:
            continue
        errors.append(69.0 + 12.0 * float(np.log2(hertz / 440.0)) - note.pitch - 12 * octave)
    return errors


def pitch_findings(
    layout: Layout, tables: Tables, count: int, seed: int, looked_at: list[str]
) -> Iterator[Finding]:
    """Measures the pitches of `count` clips, chosen by `seed`, and compares them with the phrases.

    Args:
        layout: The dataset's folder.
        tables: Its tables; `clips` are the rows to choose from.
        count: Number of clips.
        seed: Seed of the choice.
        looked_at: Receives a line with how many of the measured notes agree.
    """
    sure = tables.timbres["timbre"][tables.timbres["pitch_confidence"] >= CONFIDENT]
    clips = tables.clips[tables.clips["timbre"].isin(sure)]
    measured = agreeing = 0
    # The label seeds the choice: another one would audit other clips than before.
    for place in permutation(seed, len(clips), "sung")[:count]:
        row = clips.iloc[int(place)]
        sound, rate = clip_sound(layout, row)
        notes = notes_of(tables.phrases.iloc[int(row["phrase"])].to_dict())
        errors = pitch_errors(sound, rate, notes, envelope_of(row), int(row["octave"]))
        right = sum(abs(error) <= TOLERANCE_SEMITONES for error in errors)
        measured, agreeing = measured + len(errors), agreeing + right
        if errors and 2 * right < len(errors):
            what = f"{len(errors) - right} of {len(errors)} notes measured have another pitch than the phrase"
            yield Finding("pitch", row["key"], f"{what} ({float(np.median(errors)):+.1f} semitones)")
    looked_at.append(f"{agreeing} of {measured} notes agree, {min(count, len(clips))} clips")
