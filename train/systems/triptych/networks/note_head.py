"""Trains the encoder's note logits. `hearing.note_decoding` decodes them into notes.

Shape suffixes: B clips, N notes, S subframes of 128 samples, F frames of 512, G frames of 1024, P pitches.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.nn.gain import NoteBatch
from train.systems.triptych.networks.encoder import SUBFRAMES, NoteLogits
from train.systems.triptych.networks.features import HOP, LONG_HOP, LOWEST_PITCH, PITCHES

SUBFRAME_HOP = HOP // SUBFRAMES
"""Samples from one subframe to the next."""
CENTRE_SUBFRAME = (SUBFRAMES - 1) / 2.0
"""Index of the subframe, fractional, that lies at the clip's first sample."""

EVENT_RADIUS = 2.0
"""Distance from an event, in subframes, within which its logit and its shift are trained."""


def subframe_times(count: int, device: torch.device) -> Tensor:
    """Returns the position of each subframe in samples, [count]; four lie around each frame's centre."""
    return (torch.arange(count, device=device) - CENTRE_SUBFRAME) * SUBFRAME_HOP


def event_targets(events_BN: Tensor, mask_BN: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Computes the training targets of events, and the shifts to them in subframes: float32 [B, S] each.

    A target is 1 at an event and falls linearly to 0 at `EVENT_RADIUS`.

    Args:
        events_BN: positions of events in samples.
        mask_BN: which events exist.
        count: number of subframes.
    """
    times = subframe_times(count, events_BN.device)
    offset = (events_BN[:, :, None] - times) / SUBFRAME_HOP
    offset = torch.where(mask_BN[:, :, None], offset, torch.full_like(offset, 1e6))
    nearest = offset.abs().argmin(1, keepdim=True)
    shift = offset.gather(1, nearest).squeeze(1)
    return (1.0 - shift.abs() / EVENT_RADIUS).clamp(min=0.0), shift


def note_losses(logits: NoteLogits, notes: NoteBatch) -> dict[str, Tensor]:
    """Computes the losses of onsets, note-offs, gate and pitch against the true notes, by name."""
    count = logits.onset_BS.shape[1]
    losses = {}
    for name, event, logit, shift in (
        ("onset", notes.onset_BN, logits.onset_BS, logits.onset_shift_BS),
        ("off", notes.off_BN, logits.off_BS, logits.off_shift_BS),
    ):
        target_BS, offset_BS = event_targets(event, notes.mask_BN, count)
        weight = 1.0 + 4.0 * (target_BS > 0.0)
        losses[name] = F.binary_cross_entropy_with_logits(logit, target_BS, weight=weight)
        close = target_BS > 0.0
        losses[name + "_shift"] = (
            (shift - offset_BS).abs()[close].mean() if close.any() else shift.sum() * 0.0
        )
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
    """Tells which frames lie between a note's onset and its note-off: bool [B, N, frames]."""
    at = torch.arange(frames, device=notes.onset_BN.device) * float(hop)
    return (at >= notes.onset_BN[..., None]) & (at < notes.off_BN[..., None]) & notes.mask_BN[..., None]
