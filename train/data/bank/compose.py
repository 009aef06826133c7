"""The composing arithmetic of `manifests.synthesis.compose` in torch, a block at a time: y = gain * dry.

A block is a full factorial of T timbres, P phrases and E envelopes, so dry sounds are made once for all
envelopes and gain curves once for all timbres. Two ways with one result: `whole` evaluates every sample in
closed form (few large operations: a GPU's way), `rows` fills each note's samples (few small ones: a CPU's).
Both are fp32 from int16 tones; clips come out as the renderer's do, int16 at the set peak.

F is the clip's samples, N the notes of a phrase (padded), K the tones of a timbre.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from manifests.synthesis.compose import FULL_SCALE, Span, spans
from manifests.types import Envelope, Notes
from train.data.bank.alter import Recipe, altered
from train.data.bank.format import ClipFormat
from train.data.bank.gain import gain_rows, gain_whole
from train.data.bank.reading import Reading, tone_rows, tone_whole
from train.data.bank.tones import Tones
from train.nn.gain import NoteBatch, envelope_batch, note_batch


class Composed(NamedTuple):
    """A block's clips, and the factor from composed sound to full scale of each (as a clip row's `gain`)."""

    pcm_TPEF: Tensor
    gain_TPE: Tensor


def compose_block(
    tones: Tones,
    timbres: Sequence[int],
    phrases: Sequence[Notes],
    envelopes: Sequence[Envelope],
    format: ClipFormat,
    reading: Reading | None = None,
    whole: bool | None = None,
    recipes: Sequence[Recipe | None] | None = None,
) -> Composed:
    """The clips of a block, int16 on the tones' device; `timbres` are ids, `recipes` what changes them.

    `whole` says which of the two ways (by default by the device). InputError where a pitch has no tone.
    """
    reading = reading or Reading(format.frames, tones.device)
    rows = [tones.places[timbre] for timbre in timbres]
    as_whole = tones.device.type != "cpu" if whole is None else whole
    changes = recipes or [None] * len(rows)
    return (_whole if as_whole else _rows)(tones, rows, phrases, envelopes, format, reading, changes)


def _whole(
    tones: Tones,
    rows: Sequence[int],
    phrases: Sequence[Notes],
    envelopes: Sequence[Envelope],
    format: ClipFormat,
    reading: Reading,
    recipes: Sequence[Recipe | None],
) -> Composed:
    device = tones.device
    notes = note_batch(phrases, format.rate, format.frames).to(device)
    at_F = torch.arange(format.frames, device=device, dtype=torch.float32)
    index_PF = torch.searchsorted(
        notes.onset_BN.contiguous(), at_F.expand(len(phrases), -1).contiguous(), right=True
    )
    before_PF = index_PF == 0
    index_PF = (index_PF - 1).clamp_(min=0).minimum(notes.mask_BN.sum(1, keepdim=True) - 1)
    gain_PEF = gain_whole(notes, envelope_batch(envelopes).to(device), index_PF, at_F, format)
    gain_PEF.masked_fill_(before_PF[:, None], 0.0)
    dry_TPF = tone_whole(tones, rows, phrases, notes, index_PF, at_F, reading)
    for t, recipe in enumerate(recipes):
        if recipe is None:
            continue
        for p in range(len(phrases)):
            one = NoteBatch(*(part[p : p + 1] for part in notes))
            read = partial(
                _read_whole, tones, rows[t], phrases[p : p + 1], one, index_PF[p : p + 1], at_F, reading
            )
            dry_TPF[t, p] = altered(recipe, read, format.rate, p)
    sound = dry_TPF[:, :, None] * gain_PEF
    factor = format.peak / sound.abs().amax(dim=-1).clamp_(min=1e-9)
    pcm = sound.mul_(factor[..., None]).round_().to(torch.int16)
    return Composed(pcm, factor / FULL_SCALE)


def _rows(
    tones: Tones,
    rows: Sequence[int],
    phrases: Sequence[Notes],
    envelopes: Sequence[Envelope],
    format: ClipFormat,
    reading: Reading,
    recipes: Sequence[Recipe | None],
) -> Composed:
    # NumPy turns int16 to float and back two to three times as fast as torch does on a CPU.
    shape = (len(rows), len(phrases), len(envelopes))
    pcm_TPEF = np.empty((*shape, format.frames), dtype=np.int16)
    gain_TPE = np.empty(shape, dtype=np.float32)
    sound_F, dry_F = (np.empty(format.frames, dtype=np.float32) for _ in range(2))
    gain_EF = np.empty((len(envelopes), format.frames), dtype=np.float32)
    for p, notes in enumerate(phrases):
        where = spans(notes, format.rate, format.frames)
        gain_rows(notes, where, envelopes, format, gain_EF)
        for t, row in enumerate(rows):
            tone_rows(tones, row, notes, where, reading, dry_F)
            if (recipe := recipes[t]) is not None:
                read = partial(_read_rows, tones, row, notes, where, reading)
                dry_F[:] = altered(recipe, read, format.rate, p).numpy()
            for e in range(len(envelopes)):
                np.multiply(dry_F, gain_EF[e], out=sound_F)
                factor = np.float32(format.peak / max(sound_F.max(), -sound_F.min(), np.float32(1e-9)))
                np.multiply(sound_F, factor, out=sound_F)
                np.copyto(pcm_TPEF[t, p, e], np.rint(sound_F, out=sound_F), casting="unsafe")
                gain_TPE[t, p, e] = factor / FULL_SCALE
    return Composed(torch.from_numpy(pcm_TPEF), torch.from_numpy(gain_TPE))


def _read_whole(
    tones: Tones,
    row: int,
    phrase: Sequence[Notes],
    notes: NoteBatch,
    index_1F: Tensor,
    at_F: Tensor,
    reading: Reading,
    other: int | None,
    cents: float,
    below: int,
) -> Tensor:
    """One phrase for `altered`, on a timbre's own tones or another's: [F]."""
    place = row if other is None else tones.places[other]
    return tone_whole(tones, [place], phrase, notes, index_1F, at_F, reading, cents, below)[0, 0]


def _read_rows(
    tones: Tones,
    row: int,
    notes: Notes,
    where: Sequence[Span],
    reading: Reading,
    other: int | None,
    cents: float,
    below: int,
) -> Tensor:
    """The same, on the CPU."""
    one_F = np.empty(reading.frames, dtype=np.float32)
    place = row if other is None else tones.places[other]
    tone_rows(tones, place, notes, where, reading, one_F, cents, below)
    return torch.from_numpy(one_F)
