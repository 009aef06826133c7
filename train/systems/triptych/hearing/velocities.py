"""Estimates velocities from the loudness of notes, and tells them from a timbre's own levels over pitch.

Shape suffixes: B clips (1 here), N notes, L level steps of 64 samples.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from manifests.types import Envelope, Notes
from train.nn.gain import NoteBatch, clip_gain, envelope_batch, note_at
from train.systems.triptych.networks.features import LEVEL_HOP

SAME_VELOCITY_DB = 1.0
"""Notes of one pitch whose levels differ by at most this much have one velocity."""


def note_loudness(
    level_L: Tensor, notes: NoteBatch, envelope: Envelope, rate: int, cut_fade_ms: float
) -> Tensor:
    """Computes each note's RMS over the RMS of its gain at full velocity, float32 [N].

    Args:
        level_L: mean power of one clip every 64 samples.
        notes: its notes as a batch of one clip, times in samples.
        envelope: the envelope of the clip.
        rate: sample rate in Hz.
        cut_fade_ms: fade at the end of a cut note, in ms.
    """
    at_BL = (torch.arange(len(level_L), device=level_L.device) * float(LEVEL_HOP))[None]
    full = notes._replace(velocity_BN=torch.ones_like(notes.velocity_BN))
    gain_BL = clip_gain(full, envelope_batch([envelope]).to(level_L.device), at_BL, rate, cut_fade_ms)
    index_BL, has_note_BL = note_at(notes, at_BL)
    inside = (has_note_BL & (at_BL < notes.end_BN.gather(1, index_BL)))[0].float()
    sums = torch.zeros(2, notes.onset_BN.shape[1], device=level_L.device)
    sums.index_add_(1, index_BL[0], torch.stack([level_L * inside, gain_BL[0].square() * inside]))
    return (sums[0] / sums[1].clamp(min=1e-6)).sqrt()


def levels_by_pitch(notes: Notes) -> dict[int, list[float]]:
    """Returns the levels of the notes of each pitch, in dB relative to velocity 127, in order of pitch."""
    levels: dict[int, list[float]] = {}
    for note in sorted(notes, key=lambda note: note.pitch):
        levels.setdefault(note.pitch, []).append(20.0 * math.log10(note.velocity / 127.0))
    return levels


def has_played_velocities(notes: Notes) -> bool:
    """Tells whether notes of one pitch differ in level, so that they were played at different velocities.

    If no pitch recurs, nothing tells levels that were played from those of the timbre, which are likelier.
    """
    return any(max(levels) - min(levels) > SAME_VELOCITY_DB for levels in levels_by_pitch(notes).values())


def played_velocities(notes: Notes) -> Notes:
    """Returns notes with the velocities they were played with: equal ones, unless a pitch recurs at others.

    The levels of notes are mostly those of their timbre over pitch, which a conversion takes from the timbre.
    """
    if has_played_velocities(notes):
        return notes
    return tuple(replace(note, velocity=127) for note in notes)
