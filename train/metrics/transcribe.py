"""Transcribes notes from audio alone, for recordings without ground truth.

Onsets (`onsets`) and changes of the tracked pitch cut the sound into notes. A stretch without pitch is no
note. A note ends where its level starts to decay, found backwards from where it has decayed. If all notes
decay equally before the next one, however far off that is, the envelope ends them. Such notes are taken to be
held until the next, since nothing shows their note-offs. This is good enough for baselines and for estimating
envelopes; the F1 score of its onsets is measured in benchmarks/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.types import Note, Notes
from train.metrics.features import AudioFeatures
from train.metrics.tracker import HOP_S, PitchTrack

F64 = npt.NDArray[np.float64]

STEP_S = 0.005
"""Hop of the level curve."""

SILENT_DB = -40.0
"""A note has decayed where its level is this far below its own highest."""

FALL_DB = 3.0
"""A held note stays within this of its typical level; below, it has been released."""

STEADY = 4
"""Tracked frames (64 ms) that must agree on another semitone to begin a note."""

SHORTEST_S = 0.03

DYING_DB = 6.0
"""A note that falls this much from one quarter to three quarters of its length decays by itself."""

EQUAL_SHARE = 0.2
"""Lengths are equal if they differ by at most this share of the shortest, or by `NEAR_S`."""

NEAR_S, FEWEST = 0.03, 3
"""Notes that end this many seconds before the next one were released or have decayed; it takes `FEWEST` of
them to tell which."""


def level_db(audio: npt.ArrayLike, rate: int) -> F64:
    """Computes the RMS of audio [samples] in windows of 20 ms, every 5 ms: dB, float64 [frames]."""
    sound = np.asarray(audio, dtype=np.float64)
    hop = round(STEP_S * rate)
    energy = np.concatenate([[0.0], np.cumsum(sound**2)])
    centres = np.arange(0, len(sound), hop)
    low, high = np.maximum(centres - 2 * hop, 0), np.minimum(centres + 2 * hop, len(sound))
    power = (energy[high] - energy[low]) / np.maximum(high - low, 1)
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-12)))


def pitch_changes(track: PitchTrack) -> list[float]:
    """Returns the times, in seconds, at which a steady pitch changes to another."""
    changes, before, run, last = [], None, 0, None
    for index in np.flatnonzero(track.voiced):
        semitone = round(float(track.midi[index]))
        run = run + 1 if semitone == last else 1
        last = semitone
        if run == STEADY:
            # An octave without an onset is an error of the tracker.
            if before is not None and (semitone - before) % 12:
                changes.append(float((index - STEADY + 1) * HOP_S))
            before = semitone
    return changes


def transcribe(features: AudioFeatures) -> Notes:
    """Transcribes the sounding notes of a monophonic sound. Velocities are relative to the loudest note.

    Returns no note for silence. Raises InputError if swift-f0 is not installed.

    Example: `transcribe(AudioFeatures(audio, 44_100))`
    """
    seconds, track = len(features.audio) / features.rate, features.pitch_track
    onsets = list(features.onsets)
    for change in pitch_changes(track):
        if all(abs(change - onset) > 0.06 for onset in onsets):
            onsets.append(change)
    if not onsets:
        return ()
    onsets.sort()
    levels = level_db(features.audio, features.rate)
    loudest = float(levels.max(initial=-120.0))
    typical = float(np.median(track.midi[track.voiced])) if track.voiced.any() else 0.0
    notes: list[Note] = []
    decays: list[NoteDecay] = []
    for onset, end in zip(onsets, [*onsets[1:], seconds], strict=True):
        inside = slice(round(onset / HOP_S), max(round(end / HOP_S), round(onset / HOP_S) + 1))
        pitches = track.midi[inside][track.voiced[inside]]
        curve = levels[round(onset / STEP_S) : max(round(end / STEP_S), round(onset / STEP_S) + 1)]
        if len(pitches) < 2 or not len(curve):
            continue
        decay = _note_decay(curve, end - onset)
        off = min(onset + decay.held_s, end)
        if off - onset < SHORTEST_S:
            continue
        velocity = int(np.clip(round(127.0 * 10.0 ** ((float(curve.max()) - loudest) / 20.0)), 1, 127))
        notes.append(Note(float(onset), float(off - onset), note_pitch(pitches, typical), velocity))
        decays.append(decay)
    if _decay_equally(decays):
        notes = [
            replace(note, duration=float(decay.room_s)) for note, decay in zip(notes, decays, strict=True)
        ]
    return tuple(notes)


def note_pitch(midi: F64, typical: float) -> int:
    """Returns the MIDI pitch that a note's tracked frames [frames] agree on, despite octave errors.

    Of the octaves that at least a quarter of these frames lie in, it is the one nearest to `typical`.
    """
    semitones = np.rint(midi).astype(np.int64)
    classes, counts = np.unique(semitones % 12, return_counts=True)
    same = semitones[semitones % 12 == classes[np.argmax(counts)]]
    octaves, counts = np.unique(same, return_counts=True)
    often = octaves[counts >= 0.25 * len(same)]
    return int(np.clip(often[np.argmin(np.abs(often - typical))], 0, 127))


class NoteDecay(NamedTuple):
    """How long a note is held, how long until the next onset (both in s), and whether its level falls."""

    held_s: float
    room_s: float
    falls: bool


def _note_decay(curve: F64, room_s: float) -> NoteDecay:
    """Measures the decay from a note's level in dB [frames] up to the next onset."""
    peak = int(np.argmax(curve))
    low = np.flatnonzero(curve[peak:] < curve[peak] + SILENT_DB)
    if not len(low):
        return NoteDecay(len(curve) * STEP_S, room_s, False)
    over = peak + int(low[0])
    typical = float(np.median(curve[over // 2 : max(over * 4 // 5, over // 2 + 1)]))
    still = np.flatnonzero(curve[:over] >= typical - FALL_DB)
    fall = float(curve[over // 4] - curve[over * 3 // 4])
    return NoteDecay(float((int(still[-1]) + 1) * STEP_S), room_s, fall >= DYING_DB)


def _decay_equally(decays: Sequence[NoteDecay]) -> bool:
    """Tells whether the notes are ended by their envelope rather than by note-offs."""
    free = [decay for decay in decays if decay.held_s < decay.room_s - NEAR_S]
    if len(free) < FEWEST or not all(decay.falls for decay in free):
        return False
    lengths = [decay.held_s for decay in free]
    return max(lengths) - min(lengths) <= max(NEAR_S, EQUAL_SHARE * min(lengths))
