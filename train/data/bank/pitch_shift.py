"""Reads a phrase's notes from tones: at their pitch, or shifted from the nearest tone that the bank keeps.

A pitch between kept tones is read faster or slower through a Kaiser-windowed sinc of 16 taps, or more beyond
an octave. Read faster, its cutoff falls with the ratio of the pitches, so that little aliases. Every note
begins at its tone's first sample, so the places read and their weights depend on the ratio alone, and are
tabulated once.

Tensor names: T timbres, P phrases, F samples of a clip, N notes of a phrase (padded), K tones of a timbre,
S samples of all tones, X taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from manifests.dsp.windowed_sinc import shift_weights
from manifests.synthesis.compose import Span
from manifests.types import Notes
from train.data.bank.tones import Tones
from train.nn.gain import NoteBatch

F32 = npt.NDArray[np.float32]


class Reading(NamedTuple):
    """How a phrase's notes are read from tones other than their own.

    Attributes:
        cents: Shift of the pitch.
        below: Shift of the formants in semitones (see `Tones.source_tone`).
        zone: Width and offset of the zones in semitones within which all notes are read from one tone.
    """

    cents: float = 0.0
    below: int = 0
    zone: tuple[int, int] | None = None


PLAIN = Reading()


class PitchShiftTable:
    """The places and weights by which notes of up to `frames` samples read tones of other pitches."""

    def __init__(self, frames: int, device: torch.device) -> None:
        self.frames, self.device = frames, device
        self._made: dict[float, tuple[Tensor, Tensor]] = {}

    def at(self, semitones: float) -> tuple[Tensor, Tensor]:
        """Returns the places and weights of a note that is `semitones` above its tone.

        They are the first sample read for each sample of the note, int64 [frames], and the weights of the
        samples from there on, float32 [frames, taps] (see `shift_weights`).
        """
        if semitones not in self._made:
            first, weights = _kernel(self.frames, semitones)
            self._made[semitones] = first.to(self.device), weights.to(self.device)
        return self._made[semitones]


@lru_cache(maxsize=64)
def _kernel(frames: int, semitones: float) -> tuple[Tensor, Tensor]:
    first, weights = shift_weights(frames, semitones)
    return torch.from_numpy(first), torch.from_numpy(weights)


def wrap_loop(places: Tensor, loop_start: Tensor | int, loop_end: Tensor | int) -> Tensor:
    """Wraps places beyond `loop_end` into the loop, as `manifests.dataset.bank.read_places`.

    Places below 0 become the first sample. Shapes are kept.
    """
    length = loop_end - loop_start
    return torch.where(places < loop_end, places, loop_start + (places - loop_start) % length).clamp(min=0)


def tones_per_note(
    tones: Tones,
    row: int,
    notes: Notes,
    where: Sequence[Span],
    shifts: PitchShiftTable,
    out_F: F32,
    reading: Reading = PLAIN,
) -> None:
    """Reads one phrase from one timbre's tones, in place into `out_F`, on the CPU.

    `row` is the timbre's row in the tones, `where` the notes' spans. Raises InputError if a pitch has
    no tone.
    """
    pcm_S = tones.pcm_S.numpy()
    out_F[: where[0].onset] = 0.0
    for note, (onset, _, end) in zip(notes, where, strict=True):
        tone, above = tones.source_tone(note.pitch, reading.below, reading.zone)
        semitones = above + reading.cents / 100.0
        start, loop_start, loop_end, scale = tones.tables[row][tone]
        count, piece = end - onset, out_F[onset:end]
        if semitones:
            first, weights = (table[:count] for table in shifts.at(semitones))
            places = wrap_loop(first[:, None] + torch.arange(weights.shape[1]), loop_start, loop_end)
            piece[:] = (tones.pcm_S[start + places] * weights).sum(1)
        else:
            plain = min(count, loop_end)
            np.copyto(piece[:plain], pcm_S[start : start + plain])
            if plain < count:
                piece[plain:] = pcm_S[start + wrap_loop(torch.arange(plain, count), loop_start, loop_end)]
        np.multiply(piece, np.float32(scale), out=piece)


def tones_vectorised(
    tones: Tones,
    rows: Sequence[int],
    phrases: Sequence[Notes],
    notes: NoteBatch,
    index_PF: Tensor,
    at_F: Tensor,
    shifts: PitchShiftTable,
    reading: Reading = PLAIN,
) -> Tensor:
    """Reads P phrases from the tones of T timbres at every sample: float32 [T, P, F].

    `index_PF` is the note at each sample. Samples before a first note are finite, and not meant.
    Raises InputError if a pitch has no tone.
    """
    device, width = tones.device, notes.onset_BN.shape[1]
    sources = [
        [tones.source_tone(note.pitch, reading.below, reading.zone) for note in phrase] for phrase in phrases
    ]
    tone_PN = torch.tensor([[s[0] for s in row] + [0] * (width - len(row)) for row in sources], device=device)
    row_T = torch.tensor(list(rows), device=device)

    def of_note(table_TK: Tensor) -> Tensor:
        return table_TK[row_T[:, None, None], tone_PN]

    index_TPF = index_PF.expand(len(rows), -1, -1)
    start_TPN, scale_TPN = of_note(tones.start_TK), of_note(tones.scale_TK)
    since_PF = (at_F - notes.onset_BN.gather(1, index_PF)).long().clamp_(min=0)
    longest = int((notes.end_BN - notes.onset_BN).max())
    moved = reading.cents != 0.0 or any(semitones for row in sources for _, semitones in row)
    start_TPF = start_TPN.gather(2, index_TPF)
    if not moved and longest <= tones.shortest_loop_end:
        dry = tones.pcm_S[start_TPF.add_(since_PF)].float()
        return dry.mul_(scale_TPN.gather(2, index_TPF))
    loop_start, loop_end = (
        of_note(table).gather(2, index_TPF) for table in (tones.loop_start_TK, tones.loop_end_TK)
    )
    if not moved:
        dry = tones.pcm_S[start_TPF + wrap_loop(since_PF, loop_start, loop_end)].float()
        return dry.mul_(scale_TPN.gather(2, index_TPF))
    steps = sorted({semitones for row in sources for _, semitones in row})
    firsts, weights = zip(*(shifts.at(step + reading.cents / 100.0) for step in steps), strict=True)
    step_PN = torch.tensor(
        [[steps.index(s[1]) for s in row] + [0] * (width - len(row)) for row in sources], device=device
    )
    cell_PF = step_PN.gather(1, index_PF) * shifts.frames + since_PF
    taps = max(table.shape[1] for table in weights)
    padded = [functional.pad(table, (0, taps - table.shape[1])) for table in weights]
    first_PF, weight_PFX = torch.cat(firsts)[cell_PF], torch.cat(padded)[cell_PF]
    dry = torch.zeros_like(start_TPF, dtype=torch.float32)
    for tap in range(taps):
        places = wrap_loop(first_PF + tap, loop_start, loop_end)
        dry += tones.pcm_S[start_TPF + places] * weight_PFX[..., tap]
    return dry.mul_(scale_TPN.gather(2, index_TPF))
