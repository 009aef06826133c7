"""Notes in a timbre, shaped by an envelope: the decoder's tones laid on a clip and multiplied by the gain.

A long clip is made window by window. Each tone is cut into pieces at the windows' edges, and every piece is
decoded with more of its tone on both sides than the decoder can see, so that nothing depends on where the
edges are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from manifests.synthesis.compose import Span, spans
from manifests.types import Envelope, Notes
from train.audio.files import scratch
from train.nn.gain import clip_gain, envelope_batch, span_batch
from train.systems.base import Audio
from train.systems.triptych.networks.excitation import HOP
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.timbre import TONE_RMS, Timbre

WINDOW_S = 10.0
"""So much is made at once."""

FRAMES_AT_ONCE = 1500
"""Of the decoder, over all rows of a call."""


class Piece(NamedTuple):
    """`length` samples of a note's tone from sample `first` of it on, and how many more on both sides."""

    note: int
    first: int
    length: int
    before: int
    after: int

    @property
    def whole(self) -> int:
        return self.before + self.length + self.after


def play(model: TriptychModel, notes: Notes, envelope: Envelope, timbre: Timbre, samples: int) -> Audio:
    """Notes in a timbre, shaped by an envelope: float32 [samples].

    As loud as the recording that the timbre comes from (RMS where the gain is highest). Not as high as its
    peaks: these depend on phases, which are the decoder's own, and may lie above full scale.
    """
    rate = model.format.rate
    placed = spans(notes, rate, samples) if notes else []
    sound = scratch(samples)
    highest = 0.0
    step = round(WINDOW_S * rate)
    for start in range(0, samples, step):
        stop = min(start + step, samples)
        inside = [i for i, span in enumerate(placed) if span.onset < stop and span.end > start]
        if not inside:
            continue
        gain = window_gain(model, notes, placed, inside, envelope, start, stop)
        if not bool(gain.any()):
            continue
        dry = torch.zeros(stop - start, device=timbre.vectors.device)
        for pieces in grouped(pieces_of(model, placed, inside, envelope, start, stop)):
            for piece, tone in zip(pieces, tones(model, notes, pieces, timbre), strict=True):
                at = placed[piece.note].onset + piece.first - start
                dry[at : at + piece.length] = tone[piece.before : piece.before + piece.length]
        sound[start:stop] = (gain * dry).cpu().numpy()
        highest = max(highest, float(gain.max()))
    factor = float(timbre.profile.level_B[0]) / (TONE_RMS * highest) if highest > 0.0 else 0.0
    for start in range(0, samples, step):
        sound[start : start + step] *= np.float32(factor)
    return sound


def window_gain(
    model: TriptychModel,
    notes: Notes,
    placed: Sequence[Span],
    inside: Sequence[int],
    envelope: Envelope,
    start: int,
    stop: int,
) -> Tensor:
    """The gain of samples `start` to before `stop`, [stop - start]."""
    device, format = model.device, model.format
    rows = [(notes[i], Span(*(value - start for value in placed[i]))) for i in inside]
    batch = span_batch([rows], stop - start).to(device)
    at = torch.arange(stop - start, device=device, dtype=torch.float32)[None]
    return clip_gain(batch, envelope_batch([envelope]).to(device), at, format.rate, format.cut_fade_ms)[0]


def pieces_of(
    model: TriptychModel,
    placed: Sequence[Span],
    inside: Sequence[int],
    envelope: Envelope,
    start: int,
    stop: int,
) -> Iterator[Piece]:
    """What is to be heard of each note between `start` and `stop`."""
    release = envelope.release_ms * model.format.rate / 1000.0 + 2.0
    reach = (3 * model.config.decoder_blocks + 6) * HOP
    for index in inside:
        onset, off, end = placed[index]
        heard = int(min(end, off + release)) - onset
        first, last = max(start - onset, 0), min(stop - onset, heard)
        if last > first:
            # A tone's frames stand on one grid, wherever it is cut.
            before = min(reach + first % HOP, first)
            yield Piece(index, first, last - first, before, min(reach, heard - last))


def grouped(pieces: Iterator[Piece]) -> list[list[Piece]]:
    """Pieces in groups of like lengths that are decoded together."""
    groups: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.whole):
        frames = piece.whole // HOP + 5
        if groups and (len(groups[-1]) + 1) * frames <= FRAMES_AT_ONCE:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return groups


def tones(model: TriptychModel, notes: Notes, pieces: Sequence[Piece], timbre: Timbre) -> Tensor:
    """The dry sound of pieces with what stands around them, [pieces, samples]."""
    device = timbre.vectors.device
    pitch = torch.tensor([float(notes[piece.note].pitch) for piece in pieces], device=device)
    clip = torch.zeros(len(pieces), dtype=torch.long, device=device)
    start = torch.tensor([float(piece.first - piece.before) for piece in pieces], device=device)
    length = torch.tensor([float(piece.whole) for piece in pieces], device=device)
    hiss = torch.tensor([piece.note for piece in pieces], device=device)
    longest = -(-max(piece.whole for piece in pieces) // HOP) * HOP
    made: Tensor = model.decoder(*timbre, clip, pitch, start, longest, length, hiss)
    return made
