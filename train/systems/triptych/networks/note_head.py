"""Content as notes: what the encoder's logits are taught, and how they are read as a note list.

The note list is the codec's content, and it is quantised: pitch to a semitone (7 bits), velocity to 7
bits relative to the loudest note, onset and note-off to 1 ms (12 bits each within four seconds): 38 bits a
note, about 100 bit/s for phrases of five to ten notes in three seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.types import Note
from train.nn.gain import NoteBatch
from train.systems.triptych.networks.encoder import SUBFRAMES, NoteLogits
from train.systems.triptych.networks.features import HOP, LONG_HOP, LOWEST_PITCH, PITCHES
from train.systems.triptych.networks.pitch_path import in_one_octave

F32 = npt.NDArray[np.float32]

STEP = HOP // SUBFRAMES
MIDDLE = (SUBFRAMES - 1) / 2.0
"""The sub-frame, counted from 0, that would stand at the clip's first sample."""

REACH = 2.0
"""How far from an event, in sub-frames, its logit is still above 0 and its shift is taught."""

SHORTEST_S = 0.03
"""Notes closer than this are one note."""

THRESHOLD = 0.25
"""Peaks of the onset probability below this are no onsets (the triangular target peaks at 0.75 to 1)."""


def subframe_places(count: int, device: torch.device) -> Tensor:
    """Where each sub-frame stands, in samples: [count]; four around each frame's centre."""
    return (torch.arange(count, device=device) - MIDDLE) * STEP


def event_targets(events_BN: Tensor, mask_BN: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Soft targets and shifts [B, S] of events in samples: nearness 1..0 within `REACH`, the way there."""
    places = subframe_places(count, events_BN.device)
    away = (events_BN[:, :, None] - places) / STEP
    away = torch.where(mask_BN[:, :, None], away, torch.full_like(away, 1e6))
    nearest = away.abs().argmin(1, keepdim=True)
    shift = away.gather(1, nearest).squeeze(1)
    return (1.0 - shift.abs() / REACH).clamp(min=0.0), shift


def note_losses(logits: NoteLogits, notes: NoteBatch) -> dict[str, Tensor]:
    """The losses of onsets, note-offs, gate and pitch against the true notes."""
    count = logits.onset_BS.shape[1]
    losses = {}
    for name, event, logit, shift in (
        ("onset", notes.onset_BN, logits.onset_BS, logits.onset_shift_BS),
        ("off", notes.off_BN, logits.off_BS, logits.off_shift_BS),
    ):
        near, away = event_targets(event, notes.mask_BN, count)
        weight = 1.0 + 4.0 * (near > 0.0)
        losses[name] = F.binary_cross_entropy_with_logits(logit, near, weight=weight)
        close = near > 0.0
        losses[name + "_shift"] = (shift - away).abs()[close].mean() if close.any() else shift.sum() * 0.0
    gate_BF = held_frames(notes, logits.gate_BF.shape[1], HOP).any(1)
    losses["gate"] = F.binary_cross_entropy_with_logits(logits.gate_BF, gate_BF.float())
    classes = (notes.pitch_BN.round().long() - LOWEST_PITCH).clamp(0, PITCHES - 1)
    held_BNG = held_frames(notes, logits.pitch_BGP.shape[1], LONG_HOP)
    target = classes.gather(1, held_BNG.float().argmax(1))
    pitch = F.cross_entropy(logits.pitch_BGP.transpose(1, 2), target, reduction="none")
    held_BG = held_BNG.any(1)
    losses["pitch"] = (pitch * held_BG).sum() / held_BG.sum().clamp(min=1)
    return losses


def held_frames(notes: NoteBatch, frames: int, hop: int) -> Tensor:
    """Which frames lie between a note's onset and its note-off: [B, N, frames]."""
    at = torch.arange(frames, device=notes.onset_BN.device) * float(hop)
    return (at >= notes.onset_BN[..., None]) & (at < notes.off_BN[..., None]) & notes.mask_BN[..., None]


def peaks(probability_S: Tensor, threshold: float, apart: int) -> list[int]:
    """Places of local maxima above the threshold, the higher one of any two nearer than `apart`."""
    padded = F.pad(probability_S[None, None], (apart, apart), value=-1.0)
    highest = F.max_pool1d(padded, 2 * apart + 1, 1)[0, 0]
    found = (probability_S >= highest) & (probability_S >= threshold)
    chosen: list[int] = []
    for place in torch.nonzero(found).flatten().tolist():
        if not chosen or place - chosen[-1] > apart:
            chosen.append(int(place))
    return chosen


def refine(place: int, probability_S: F32, shift_S: F32) -> float:
    """The event at a peak, in samples: what the sub-frames around it say, weighted by their probability."""
    low, high = max(place - 2, 0), min(place + 3, len(probability_S))
    weight = np.square(probability_S[low:high])
    shift = np.clip(shift_S[low:high], -2 * REACH, 2 * REACH)
    where = (np.arange(low, high) - MIDDLE + shift) * STEP
    return float((where * weight).sum() / weight.sum())


class ReadNote(NamedTuple):
    """A note, and how probable its pitch is to the codec: near 1 where one voice is clearly heard."""

    note: Note
    sure: float


@torch.no_grad()
def read_notes(
    logits: NoteLogits,
    clip: int,
    traits_GPS: Tensor,
    level_L: Tensor,
    level_hop: int,
    rate: int,
    samples: int,
) -> list[ReadNote]:
    """The notes of one clip of the batch, pitches as they sound, all velocities 127; none for silence.

    A note's pitch is what most of its loud frames say, judged together with the others'; its note-off
    the likeliest place before the next onset, which it is itself where the phrase is legato.
    """
    level = level_L.float().cpu().numpy()
    loud = np.flatnonzero(level > 1e-7)
    if len(loud) == 0:
        return []
    onset_S = logits.onset_BS[clip].float().sigmoid()
    apart = max(1, round(SHORTEST_S * rate / STEP))
    at = peaks(onset_S, THRESHOLD, apart)
    onset, onset_shift, off, off_shift = (
        tensor.float().cpu().numpy()
        for tensor in (onset_S, logits.onset_shift_BS[clip], logits.off_BS[clip].float().sigmoid(),
                       logits.off_shift_BS[clip])
    )  # fmt: skip
    pitch_GP = logits.pitch_BGP[clip].float().log_softmax(-1).cpu().numpy()
    onsets = [refine(place, onset, onset_shift) for place in at] or [float(loud[0]) * level_hop]
    onsets = sorted(min(max(value, 0.0), samples - 1.0) for value in onsets)
    # What stops sounds like an event, too: a recording that is cut off does not end with a note of no length.
    latest = samples - SHORTEST_S * rate
    onsets = [
        a
        for i, a in enumerate(onsets)
        if i == 0 or (a - onsets[i - 1] >= SHORTEST_S * rate / 2 and a <= latest)
    ]
    spans = [
        (start, _note_off(start, end, off, off_shift, rate, samples), end)
        for start, end in zip(onsets, [*onsets[1:], float(samples)], strict=True)
    ]
    shares = [_shares(len(pitch_GP), level, level_hop, rate, *span) for span in spans]
    said_NP, probable_NP, traits_NPS = (
        np.stack([np.tensordot(share, part[held], 1) for held, share in shares])
        for part in (pitch_GP, np.exp(pitch_GP), traits_GPS.float().cpu().numpy())
    )
    places = in_one_octave(said_NP, traits_NPS)
    notes = []
    for (start, finish, _), probability, place in zip(spans, probable_NP, places, strict=True):
        onset_s = round(start / rate, 3)
        duration = max(round(finish / rate, 3) - onset_s, 0.001)
        notes.append(ReadNote(Note(onset_s, duration, place + LOWEST_PITCH, 127), float(probability[place])))
    return notes


def _note_off(start: float, end: float, off_S: F32, shift_S: F32, rate: int, samples: int) -> float:
    """The likeliest note-off of a note from `start` on, before the next onset or the clip's end."""
    low = max(int((start + SHORTEST_S * rate) / STEP + MIDDLE) + 1, 0)
    high = min(int(np.ceil((end + REACH * STEP) / STEP + MIDDLE)), len(off_S))
    finish = end
    if low < high:
        place = low + int(off_S[low:high].argmax())
        finish = min(refine(place, off_S, shift_S), end)
    finish = max(finish, min(start + SHORTEST_S * rate, end))
    return end if end - finish < 0.004 * rate and end < samples else finish


def _shares(
    frames: int, level: F32, level_hop: int, rate: int, start: float, finish: float, end: float
) -> tuple[npt.NDArray[np.int64], F32]:
    """The frames that tell a note's pitch, and how much each of them says: the louder, the more."""
    last = min(max(finish, start + 0.1 * rate), end - 1.0)
    first, after = int(np.ceil((start + 0.005 * rate) / LONG_HOP)), int(last / LONG_HOP) + 1
    if first >= after:
        first = round(start / LONG_HOP) + 1
    first = min(first, frames - 1)
    held = np.arange(first, min(max(after, first + 1), frames))
    weight = np.sqrt(level[np.minimum(held * LONG_HOP // level_hop, len(level) - 1)]) + 1e-6
    return held, weight / weight.sum()
