"""Composes blocks of clips in torch, by the arithmetic of `manifests.synthesis.compose`: y = gain * dry.

A block is a full factorial of T timbres, P phrases and E envelopes. Dry sounds are made once for all
envelopes, and gain curves once for all timbres. Two ways give one result. `vectorised` evaluates every
sample in closed form with few large operations, for a GPU. The other fills the samples note by note, for a
CPU. Both compute in float32 from int16 tones. Clips are int16 at the set peak, as the renderer's are.

Tensor names: F samples of a clip, N notes of a phrase (padded), K tones of a timbre.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from manifests.synthesis.compose import FULL_SCALE, Span, spans
from manifests.synthesis.recipe import Recipe
from manifests.types import Envelope, Notes
from train.data.bank.alter import apply_recipe
from train.data.bank.format import ClipFormat
from train.data.bank.gain import gain_per_note, gain_vectorised
from train.data.bank.modulate import Timeline
from train.data.bank.pitch_shift import PitchShiftTable, Reading, tones_per_note, tones_vectorised
from train.data.bank.tones import Tones
from train.nn.gain import NoteBatch, envelope_batch, note_batch


class ComposedClips(NamedTuple):
    """A block's clips, int16 [T, P, E, F], and the gain of each, float32 [T, P, E].

    The gain is the factor from the composed sound to full scale, as a clip row's `gain`.
    """

    pcm_TPEF: Tensor
    gain_TPE: Tensor


class _Block(NamedTuple):
    """What a block is composed of; `rows` are its timbres' rows in the tones, `recipes` one for each."""

    tones: Tones
    rows: Sequence[int]
    phrases: Sequence[Notes]
    envelopes: Sequence[Envelope]
    format: ClipFormat
    shifts: PitchShiftTable
    recipes: Sequence[Recipe | None]


def compose_block(
    tones: Tones,
    timbres: Sequence[int],
    phrases: Sequence[Notes],
    envelopes: Sequence[Envelope],
    format: ClipFormat,
    shifts: PitchShiftTable | None = None,
    vectorised: bool | None = None,
    recipes: Sequence[Recipe | None] | None = None,
) -> ComposedClips:
    """Composes the clips of a block on the tones' device.

    Args:
        tones: The tones of at least these timbres.
        timbres: T timbre ids.
        phrases: P phrases.
        envelopes: E envelopes.
        format: Rate, length, peak and cut fade of the clips.
        shifts: A pitch-shift table to use again; made anew without one.
        vectorised: Which of the two ways; by default that of the device.
        recipes: How each timbre is altered, or None where it is not.

    Raises:
        InputError: If a pitch has no tone.

    Example:
        >>> compose_block(tones, [17], [notes], [envelope], format).pcm_TPEF.shape
        torch.Size([1, 1, 1, 132300])
    """
    block = _Block(
        tones,
        [tones.row_of[timbre] for timbre in timbres],
        phrases,
        envelopes,
        format,
        shifts or PitchShiftTable(format.frames, tones.device),
        recipes or [None] * len(timbres),
    )
    on_gpu = tones.device.type != "cpu"
    return (_vectorised if (on_gpu if vectorised is None else vectorised) else _per_note)(block)


def _vectorised(block: _Block) -> ComposedClips:
    tones, phrases, format, device = block.tones, block.phrases, block.format, block.tones.device
    notes = note_batch(phrases, format.rate, format.frames).to(device)
    at_F = torch.arange(format.frames, device=device, dtype=torch.float32)
    index_PF = torch.searchsorted(
        notes.onset_BN.contiguous(), at_F.expand(len(phrases), -1).contiguous(), right=True
    )
    before_PF = index_PF == 0
    index_PF = (index_PF - 1).clamp_(min=0).minimum(notes.mask_BN.sum(1, keepdim=True) - 1)
    gain_PEF = gain_vectorised(notes, envelope_batch(block.envelopes).to(device), index_PF, at_F, format)
    gain_PEF.masked_fill_(before_PF[:, None], 0.0)
    dry_TPF = tones_vectorised(tones, block.rows, phrases, notes, index_PF, at_F, block.shifts)
    for t, recipe in enumerate(block.recipes):
        if recipe is None:
            continue
        for p in range(len(phrases)):
            one = NoteBatch(*(part[p : p + 1] for part in notes))
            read = partial(_read_vectorised, block, t, phrases[p : p + 1], one, index_PF[p : p + 1], at_F)
            onset_F = notes.onset_BN[p].gather(0, index_PF[p])
            pitch_F = notes.pitch_BN[p].gather(0, index_PF[p])
            timeline = Timeline(pitch_F.long(), (at_F - onset_F).long().clamp_(min=0))
            dry_TPF[t, p] = apply_recipe(recipe, read, timeline, format.rate, p)
    sound = dry_TPF[:, :, None] * gain_PEF
    factor = format.peak / sound.abs().amax(dim=-1).clamp_(min=1e-9)
    pcm = sound.mul_(factor[..., None]).round_().to(torch.int16)
    return ComposedClips(pcm, factor / FULL_SCALE)


def _per_note(block: _Block) -> ComposedClips:
    # NumPy converts int16 to float and back two to three times as fast as torch on a CPU.
    format, envelopes = block.format, block.envelopes
    shape = (len(block.rows), len(block.phrases), len(envelopes))
    pcm_TPEF = np.empty((*shape, format.frames), dtype=np.int16)
    gain_TPE = np.empty(shape, dtype=np.float32)
    sound_F, dry_F = (np.empty(format.frames, dtype=np.float32) for _ in range(2))
    gain_EF = np.empty((len(envelopes), format.frames), dtype=np.float32)
    for p, notes in enumerate(block.phrases):
        where = spans(notes, format.rate, format.frames)
        gain_per_note(notes, where, envelopes, format, gain_EF)
        for t, row in enumerate(block.rows):
            tones_per_note(block.tones, row, notes, where, block.shifts, dry_F)
            if (recipe := block.recipes[t]) is not None:
                read = partial(_read_per_note, block, t, notes, where)
                dry_F[:] = apply_recipe(recipe, read, _timeline(notes, where), format.rate, p).numpy()
            for e in range(len(envelopes)):
                np.multiply(dry_F, gain_EF[e], out=sound_F)
                factor = np.float32(format.peak / max(sound_F.max(), -sound_F.min(), np.float32(1e-9)))
                np.multiply(sound_F, factor, out=sound_F)
                np.copyto(pcm_TPEF[t, p, e], np.rint(sound_F, out=sound_F), casting="unsafe")
                gain_TPE[t, p, e] = factor / FULL_SCALE
    return ComposedClips(torch.from_numpy(pcm_TPEF), torch.from_numpy(gain_TPE))


def _timeline(notes: Notes, where: Sequence[Span]) -> Timeline:
    """Returns a phrase's timeline on the CPU."""
    ends = [span.end for span in where]
    lengths = np.diff([0, *ends])
    pitch_F = np.repeat([note.pitch for note in notes], lengths)
    since_F = np.arange(ends[-1]) - np.repeat([span.onset for span in where], lengths)
    return Timeline(torch.from_numpy(pitch_F), torch.from_numpy(np.maximum(since_F, 0)))


def _read_vectorised(
    block: _Block,
    t: int,
    phrase: Sequence[Notes],
    notes: NoteBatch,
    index_1F: Tensor,
    at_F: Tensor,
    other: int | None,
    reading: Reading,
) -> Tensor:
    """Reads one phrase for `apply_recipe`, on timbre `t`'s own tones or those of timbre id `other`: [F]."""
    row = block.rows[t] if other is None else block.tones.row_of[other]
    dry_TPF = tones_vectorised(block.tones, [row], phrase, notes, index_1F, at_F, block.shifts, reading)
    return dry_TPF[0, 0]


def _read_per_note(
    block: _Block, t: int, notes: Notes, where: Sequence[Span], other: int | None, reading: Reading
) -> Tensor:
    """Reads one phrase for `apply_recipe` on the CPU; see `_read_vectorised`."""
    dry_F = np.empty(block.shifts.frames, dtype=np.float32)
    row = block.rows[t] if other is None else block.tones.row_of[other]
    tones_per_note(block.tones, row, notes, where, block.shifts, dry_F, reading)
    return torch.from_numpy(dry_F)
