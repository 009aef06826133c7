"""Holds a training batch of the codec, and makes parts of it.

Shape suffixes: B input clips, T samples, R excerpts of target notes, N notes (1 in an excerpt), E equaliser
bands.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from train.nn.gain import EnvelopeBatch, NoteBatch

NoteFields = tuple[float, float, float, float, float]
"""A note's onset, note-off and end in samples, its velocity 0..1, and its pitch in MIDI."""


class Batch(NamedTuple):
    """Input clips with their ground truth, and excerpts of the notes of target clips. Audio has full scale 1.

    Attributes:
        audio_BT: distinct input clips, float32.
        notes: their true notes, times in samples.
        jittered: their notes with random shifts, which envelope and timbre are learned with.
        envelope: their true envelopes.
        octave_B: octave of each clip's timbre, int64.
        class_B: class of each clip's timbre, int64; -1 for none.
        pieces: the note of each excerpt, as a clip of one note.
        piece_envelope: the envelope of each excerpt's target.
        start_R: sample of the note at which the excerpt begins, float32.
        piece_RT: the sound of each excerpt, float32.
        scale_R: factor by which a tone of RMS 0.1 was multiplied in the target clip, float32.
        timbre_R: index of the input clip whose timbre the target has, int64.
        equaliser_BE: equaliser gains of each input clip in dB, float32; excerpts get that of their timbre's
            clip.
        room_BR: numbers of each clip's room, 0..1, float32 [B, ROOM_NUMBERS].
        room_key: seed of the rooms' noise, int64 [].
        corruption_BC: numbers of each clip's corruption, 0..1, float32 [B, CORRUPTION_NUMBERS].
    """

    audio_BT: Tensor
    notes: NoteBatch
    jittered: NoteBatch
    envelope: EnvelopeBatch
    octave_B: Tensor
    class_B: Tensor
    pieces: NoteBatch
    piece_envelope: EnvelopeBatch
    start_R: Tensor
    piece_RT: Tensor
    scale_R: Tensor
    timbre_R: Tensor
    equaliser_BE: Tensor
    room_BR: Tensor
    room_key: Tensor
    corruption_BC: Tensor

    def to(self, device: torch.device) -> Batch:
        """Copies the batch to a device."""
        return Batch(*(part.to(device) for part in self))  # type: ignore[arg-type]


def jitter_notes(notes: NoteBatch, jitter_2BN: Tensor) -> NoteBatch:
    """Shifts onsets (row 0) and note-offs (row 1) by samples, and keeps the notes in order."""
    onset = torch.where(notes.mask_BN, (notes.onset_BN + jitter_2BN[0]).clamp(min=0.0), notes.onset_BN)
    after = torch.cat([onset[:, 1:], notes.end_BN[:, -1:]], dim=1)
    end = torch.where(notes.mask_BN, torch.minimum(after, notes.end_BN.amax(1, keepdim=True)), notes.end_BN)
    legato = notes.off_BN >= notes.end_BN
    off = torch.where(legato, end, torch.minimum(notes.off_BN + jitter_2BN[1], end))
    return notes._replace(onset_BN=onset, off_BN=torch.maximum(off, onset + 1.0), end_BN=end)


def cut_out(audio: np.ndarray, start: float, samples: int, end: float) -> np.ndarray:
    """Cuts `samples` out of a clip from `start` on, with silence from `end` on."""
    first, last = int(start), min(int(start) + samples, int(end))
    # From a tone bank on a GPU, audio is a tensor.
    piece = audio.new_zeros(samples) if isinstance(audio, Tensor) else np.zeros(samples, dtype=audio.dtype)
    piece[: max(last - first, 0)] = audio[first:last]
    return piece
