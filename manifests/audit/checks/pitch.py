"""What is heard: the pitch of the notes is that of the phrase, in the octave of the timbre.

The longest notes of a clip are listened to once their attack is over. A clip is a finding where most of
its notes that have a pitch have another one; how many do is said, so that silence is no proof.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
import soundfile

from manifests.audit.findings import Finding
from manifests.audit.tables import Tables
from manifests.dataset.layout import Layout
from manifests.dataset.rows import envelope_of, notes_of
from manifests.dataset.storage import read_range
from manifests.splits.seeds import permutation
from manifests.synthesis.compose import spans
from manifests.synthesis.pitch import frequency
from manifests.types import Envelope, Note

CONFIDENT = 0.9
"""Timbres whose tones agree less on their octave are not listened to."""
WINDOW_S, SHORTEST_S = 0.2, 0.08
NOTES = 4
SEMITONES = 0.6


def note_errors(
    sound: np.ndarray, rate: int, notes: Sequence[Note], envelope: Envelope, octave: int
) -> list[float]:
    """Semitones from what is written to what is heard, of each note heard; `sound` is float32 [frames]."""
    errors = []
    placed = list(zip(notes, spans(notes, rate, len(sound)), strict=True))
    for note, span in sorted(placed, key=lambda pair: pair[1].onset - pair[1].off)[:NOTES]:
        start = span.onset + int(envelope.attack_ms / 1000 * rate)
        window = sound[start : min(span.off, start + int(WINDOW_S * rate))]
        if len(window) < SHORTEST_S * rate or (heard := frequency(window, rate)) is None:
            continue
        errors.append(69.0 + 12.0 * float(np.log2(heard / 440.0)) - note.pitch - 12 * octave)
    return errors


def pitch_findings(
    layout: Layout, tables: Tables, count: int, seed: int, heard: list[str]
) -> Iterator[Finding]:
    """Listens to `count` clips drawn by `seed`; what was heard with what confidence is added to `heard`."""
    sure = tables.timbres["timbre"][tables.timbres["pitch_confidence"] >= CONFIDENT]
    clips = tables.clips[tables.clips["timbre"].isin(sure)]
    listened = agreed = 0
    for place in permutation(seed, len(clips), "sung")[:count]:
        row = clips.iloc[int(place)]
        data = read_range(layout.inside(row["shard"]), int(row["offset"]), int(row["length"]))
        sound, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        notes = notes_of(tables.phrases.iloc[int(row["phrase"])].to_dict())
        errors = note_errors(sound, rate, notes, envelope_of(row), int(row["octave"]))
        right = sum(abs(error) <= SEMITONES for error in errors)
        listened, agreed = listened + len(errors), agreed + right
        if errors and 2 * right < len(errors):
            said = f"{len(errors) - right} of {len(errors)} notes heard are not the phrase's"
            yield Finding("pitch", row["key"], f"{said} ({float(np.median(errors)):+.1f} semitones)")
    heard.append(f"{agreed} of {listened} notes agree, {min(count, len(clips))} clips")
