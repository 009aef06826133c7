"""Holds what an analysis estimates from a recording: notes, envelope, and how sure it is of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from manifests.synthesis.octaves import octave_of
from manifests.types import Envelope, Notes
from train.nn.gain import EnvelopeBatch, NoteBatch, nearest_curve
from train.systems.triptych.networks.features import Features

MEDIAN_TOLERANCE = 0.02
"""Share of the sounding time: notes that end this close to half of it count as exactly half."""

DEFAULT_ENVELOPE = Envelope(10.0, 100.0, 0.5, 100.0)
"""The envelope reported for a recording without notes."""


class Passage(NamedTuple):
    """The stretch of a recording from which the timbre is extracted.

    Attributes:
        audio_T: the sound at a peak of -1 dBFS, without constants and rumble, float32.
        features: its features, as those of one clip.
        notes: its notes as a batch of one clip, times in samples, with the velocities they were played with
            (see `velocities.played_velocities`).
        scale: factor that brought the recording to -1 dBFS.
    """

    audio_T: Tensor
    features: Features
    notes: NoteBatch
    scale: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """The notes and the envelope estimated from a recording.

    Attributes:
        notes: notes at their sounding pitch, times in seconds; empty for silence.
        envelope: the envelope, in ms; `DEFAULT_ENVELOPE` without notes.
        pitch_confidence: probability 0..1 of each note's pitch.
        envelope_errors: standard errors of attack, hold and decay (of their logarithms), sustain and release
            (of its logarithm), in the head's units; empty without notes.
        passage: what the timbre is extracted from; None without notes.
        last_note_released: whether the last note's release begins before the recording ends.
        nonharmonic_ratio: share 0..1 of the passage's power that lies at no harmonic of its notes.
        misfit_db: mean absolute deviation of the level from the one that notes and envelope predict, in dB.
        runner_up: the envelope of the best explanation that was not chosen, None if there was no other.
        runner_up_misfit_db: its misfit.
    """

    notes: Notes
    envelope: Envelope
    pitch_confidence: tuple[float, ...]
    envelope_errors: tuple[float, ...]
    passage: Passage | None
    last_note_released: bool = False
    nonharmonic_ratio: float = 0.0
    misfit_db: float = 0.0
    runner_up: Envelope | None = None
    runner_up_misfit_db: float = 0.0

    @property
    def sounding_octave(self) -> int:
        """The octave of the notes' median pitch, of timbre and phrase together; 0 without notes."""
        return octave_of(robust_median_pitch(self.notes)) if self.notes else 0


def robust_median_pitch(notes: Notes) -> int:
    """Computes `manifests.synthesis.octaves.median_pitch` for estimated, so inexact, durations.

    On a time grid the lower pitches often sound for exactly half the time. The definition then selects the
    lower pitch, and an error of a few ms must not select another octave.

    Raises ValueError if there are no notes.
    """
    ordered = sorted(notes, key=lambda note: note.pitch)
    total = sum(note.duration for note in ordered)
    passed = 0.0
    for note in ordered:
        passed += note.duration
        if passed >= (0.5 - MEDIAN_TOLERANCE) * total:
            return note.pitch
    raise ValueError("robust_median_pitch of no notes")


def to_envelope(batch: EnvelopeBatch) -> Envelope:
    """Converts the first envelope of a batch to the dataclass, times in ms."""
    attack, hold, decay, sustain, release, curve = (float(value.flatten()[0]) for value in batch[:6])
    return Envelope(attack, decay, sustain, release, hold, nearest_curve(curve))
