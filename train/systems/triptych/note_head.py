"""Content as notes: what the encoder's logits are taught, and how they are read as a note list.

The note list is the codec's content, and it is quantised: pitch to a semitone (7 bits), velocity to 7
bits relative to the loudest note, onset and note-off to 1 ms (12 bits each within four seconds): 38 bits a
note, about 100 bit/s for phrases of five to ten notes in three seconds.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.vocabulary import Note, Notes
from train.notes import NoteBatch
from train.systems.triptych.encoder import SUBFRAMES, NoteLogits
from train.systems.triptych.features import HOP, LONG_HOP, LOWEST_PITCH, PITCHES

STEP = HOP // SUBFRAMES
REACH = 2.0
"""How far from an event, in sub-frames, its logit is still above 0 and its shift is taught."""

SHORTEST_S = 0.03
"""Notes closer than this are one note."""

THRESHOLD = 0.25
"""Peaks of the onset probability below this are no onsets (the triangular target peaks at 0.75 to 1)."""


def subframe_places(count: int, device: torch.device) -> Tensor:
    """Where each sub-frame stands, in samples: [count]; four around each frame's centre."""
    return (torch.arange(count, device=device) - (SUBFRAMES - 1) / 2.0) * STEP


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


def refine(place: int, probability_S: Tensor, shift_S: Tensor) -> float:
    """The event at a peak, in samples: what the sub-frames around it say, weighted by their probability."""
    low, high = max(place - 2, 0), min(place + 3, len(probability_S))
    places = subframe_places(len(probability_S), probability_S.device)[low:high]
    weight = probability_S[low:high].square()
    where = places + shift_S[low:high].clamp(-2 * REACH, 2 * REACH) * STEP
    return float((where * weight).sum() / weight.sum())


@torch.no_grad()
def read_notes(
    logits: NoteLogits, clip: int, level_L: Tensor, level_hop: int, rate: int, samples: int
) -> Notes:
    """The notes of one clip of the batch, pitches as they sound, all velocities 127; () for silence.

    A note's pitch is what most of its loud frames say; its note-off the likeliest place before the next
    onset, which it is itself where the phrase is legato.
    """
    loud = torch.nonzero(level_L > 1e-7).flatten()
    if len(loud) == 0:
        return ()
    onset, off = logits.onset_BS[clip].sigmoid(), logits.off_BS[clip].sigmoid()
    apart = max(1, round(SHORTEST_S * rate / STEP))
    at = peaks(onset, THRESHOLD, apart)
    onsets = [refine(place, onset, logits.onset_shift_BS[clip]) for place in at]
    if not onsets:
        onsets = [float(loud[0]) * level_hop]
    onsets = sorted(min(max(value, 0.0), samples - 1.0) for value in onsets)
    onsets = [a for i, a in enumerate(onsets) if i == 0 or a - onsets[i - 1] >= SHORTEST_S * rate / 2]
    places = subframe_places(len(off), off.device)
    pitch_GP = logits.pitch_BGP[clip].log_softmax(-1)
    centres = torch.arange(len(pitch_GP), device=off.device) * float(LONG_HOP)
    notes = []
    for start, end in zip(onsets, [*onsets[1:], float(samples)], strict=True):
        inside = (places > start + SHORTEST_S * rate) & (places < end + REACH * STEP)
        finish = end
        if inside.any():
            place = int(torch.where(inside, off, torch.zeros_like(off)).argmax())
            finish = min(refine(place, off, logits.off_shift_BS[clip]), end)
        finish = max(finish, min(start + SHORTEST_S * rate, end))
        if end - finish < 0.004 * rate and end < samples:
            finish = end
        held = (
            (centres >= start + 0.005 * rate) & (centres <= max(finish, start + 0.1 * rate)) & (centres < end)
        )
        if not held.any():
            held = torch.zeros_like(held)
            held[min(round(start / LONG_HOP) + 1, len(held) - 1)] = True
        steps = (centres / level_hop).long().clamp(max=len(level_L) - 1)
        weight = (level_L[steps].sqrt() + 1e-6) * held
        pitch = int((pitch_GP * weight[:, None]).sum(0).argmax()) + LOWEST_PITCH
        onset_s = round(start / rate, 3)
        notes.append(Note(onset_s, max(round(finish / rate, 3) - onset_s, 0.001), pitch, 127))
    return tuple(notes)
