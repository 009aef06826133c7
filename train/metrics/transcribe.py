"""Notes from audio alone, for recordings that nobody wrote the notes of.

Onsets (`onsets`) and changes of the tracked pitch cut the sound into notes; what sounds no pitch is none.
A note's end is where its level begins to die away, read off backwards from where it has. Where all notes
die away alike before the next one, however far off that is, it is the envelope that ends them: such notes
are taken to be held until the next, since nothing tells when they were let go. Good enough for a baseline
and for finding envelopes; F1 of its onsets is measured in benchmarks/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.types import Note, Notes
from train.metrics.features import Ears
from train.metrics.tracker import HOP_S, Track

F64 = npt.NDArray[np.float64]

STEP_S = 0.005
"""Hop of the level curve."""

SILENT_DB = -40.0
"""A note is over where its level is this far below its own highest."""

FALL_DB = 3.0
"""A held note stays within this of its usual level; further down it has been let go."""

STEADY = 4
"""Tracked frames (64 ms) that must agree on another semitone to make a new note."""

SHORTEST_S = 0.03

DYING_DB = 6.0
"""A note that is this much lower three quarters of its way than after the first dies away by itself."""

ALIKE = 0.2
"""Notes end alike whose lengths differ by no more than this share of the shortest, or `NEAR_S`."""

NEAR_S, FEWEST = 0.03, 3
"""Notes that end this much before the next one are let go, or have died; so many tell which."""


def level_db(audio: npt.ArrayLike, rate: int) -> F64:
    """RMS in dB in windows of 20 ms, every 5 ms: [frames]."""
    sound = np.asarray(audio, dtype=np.float64)
    hop = round(STEP_S * rate)
    energy = np.concatenate([[0.0], np.cumsum(sound**2)])
    centres = np.arange(0, len(sound), hop)
    low, high = np.maximum(centres - 2 * hop, 0), np.minimum(centres + 2 * hop, len(sound))
    power = (energy[high] - energy[low]) / np.maximum(high - low, 1)
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-12)))


def pitch_changes(track: Track) -> list[float]:
    """Times at which a steady pitch gives way to another one, in seconds."""
    changes, before, run, last = [], None, 0, None
    for index in np.flatnonzero(track.voiced):
        semitone = round(float(track.midi[index]))
        run = run + 1 if semitone == last else 1
        last = semitone
        if run == STEADY:
            # An octave that no onset tells of is the tracker's slip.
            if before is not None and (semitone - before) % 12:
                changes.append(float((index - STEADY + 1) * HOP_S))
            before = semitone
    return changes


def transcribe(ears: Ears) -> Notes:
    """The notes of a monophonic sound as they sound; velocities relative to the loudest."""
    seconds, track = len(ears.audio) / ears.rate, ears.track
    onsets = list(ears.onsets)
    for change in pitch_changes(track):
        if all(abs(change - onset) > 0.06 for onset in onsets):
            onsets.append(change)
    if not onsets:
        return ()
    onsets.sort()
    levels = level_db(ears.audio, ears.rate)
    loudest = float(levels.max(initial=-120.0))
    usual = float(np.median(track.midi[track.voiced])) if track.voiced.any() else 0.0
    notes: list[Note] = []
    ways: list[Way] = []
    for onset, end in zip(onsets, [*onsets[1:], seconds], strict=True):
        inside = slice(round(onset / HOP_S), max(round(end / HOP_S), round(onset / HOP_S) + 1))
        pitches = track.midi[inside][track.voiced[inside]]
        curve = levels[round(onset / STEP_S) : max(round(end / STEP_S), round(onset / STEP_S) + 1)]
        if len(pitches) < 2 or not len(curve):
            continue
        way = _way(curve, end - onset)
        off = min(onset + way.held_s, end)
        if off - onset < SHORTEST_S:
            continue
        velocity = int(np.clip(round(127.0 * 10.0 ** ((float(curve.max()) - loudest) / 20.0)), 1, 127))
        notes.append(Note(float(onset), float(off - onset), pitch_of(pitches, usual), velocity))
        ways.append(way)
    if _die_alike(ways):
        notes = [replace(note, duration=float(way.room_s)) for note, way in zip(notes, ways, strict=True)]
    return tuple(notes)


def pitch_of(midi: F64, usual: float) -> int:
    """The pitch that a note's tracked frames agree on, whatever octaves the tracker slips by.

    Of the octaves that a quarter of these frames are in, the one nearest to `usual`.
    """
    semitones = np.rint(midi).astype(np.int64)
    classes, counts = np.unique(semitones % 12, return_counts=True)
    same = semitones[semitones % 12 == classes[np.argmax(counts)]]
    octaves, counts = np.unique(same, return_counts=True)
    often = octaves[counts >= 0.25 * len(same)]
    return int(np.clip(often[np.argmin(np.abs(often - usual))], 0, 127))


class Way(NamedTuple):
    """How long a note is held, how long it is until the next onset, whether its level falls on the way."""

    held_s: float
    room_s: float
    falls: bool


def _way(curve: F64, room_s: float) -> Way:
    """From a note's level in dB [frames] up to the next onset."""
    peak = int(np.argmax(curve))
    low = np.flatnonzero(curve[peak:] < curve[peak] + SILENT_DB)
    if not len(low):
        return Way(len(curve) * STEP_S, room_s, False)
    over = peak + int(low[0])
    usual = float(np.median(curve[over // 2 : max(over * 4 // 5, over // 2 + 1)]))
    still = np.flatnonzero(curve[:over] >= usual - FALL_DB)
    fall = float(curve[over // 4] - curve[over * 3 // 4])
    return Way(float((int(still[-1]) + 1) * STEP_S), room_s, fall >= DYING_DB)


def _die_alike(ways: Sequence[Way]) -> bool:
    """Whether what ends the notes is their envelope, and not that they are let go."""
    free = [way for way in ways if way.held_s < way.room_s - NEAR_S]
    if len(free) < FEWEST or not all(way.falls for way in free):
        return False
    lengths = [way.held_s for way in free]
    return max(lengths) - min(lengths) <= max(NEAR_S, ALIKE * min(lengths))
