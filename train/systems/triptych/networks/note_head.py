"""Trains the encoder's note logits, and decodes them into a note list.

The note list is the codec's content, and it is quantised. Pitch takes 7 bits, velocity relative to the
loudest note 7 bits, onset and note-off 12 bits each: 1 ms within four seconds. That is 38 bits a note, or
about 100 bit/s for phrases of five to ten notes in three seconds.

Shape suffixes: B clips, N notes, S subframes of 128 samples, F frames of 512, G frames of 1024, P pitches, L
level steps.
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
from train.systems.triptych.networks.pitch_path import decode_pitches

F32 = npt.NDArray[np.float32]

SUBFRAME_HOP = HOP // SUBFRAMES
"""Samples from one subframe to the next."""
CENTRE_SUBFRAME = (SUBFRAMES - 1) / 2.0
"""Index of the subframe, fractional, that lies at the clip's first sample."""

EVENT_RADIUS = 2.0
"""Distance from an event, in subframes, within which its logit and its shift are trained."""

SHORTEST_NOTE_S = 0.03
"""Onsets closer together than this, in seconds, count as one."""

ONSET_THRESHOLD = 0.25
"""Onset probability below which a peak is no onset. The triangular target peaks at 0.75 to 1."""


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


def pick_peaks(probability_S: Tensor, threshold: float, apart: int) -> list[int]:
    """Finds local maxima of at least `threshold`; of two nearer than `apart` subframes the higher one."""
    padded = F.pad(probability_S[None, None], (apart, apart), value=-1.0)
    highest = F.max_pool1d(padded, 2 * apart + 1, 1)[0, 0]
    is_peak = (probability_S >= highest) & (probability_S >= threshold)
    chosen: list[int] = []
    for place in torch.nonzero(is_peak).flatten().tolist():
        if not chosen or place - chosen[-1] > apart:
            chosen.append(int(place))
    return chosen


def refine_event(place: int, probability_S: F32, shift_S: F32) -> float:
    """Computes an event's position in samples, from the shifts around its peak weighted by probability."""
    low, high = max(place - 2, 0), min(place + 3, len(probability_S))
    weight = np.square(probability_S[low:high])
    shift = np.clip(shift_S[low:high], -2 * EVENT_RADIUS, 2 * EVENT_RADIUS)
    where = (np.arange(low, high) - CENTRE_SUBFRAME + shift) * SUBFRAME_HOP
    return float((where * weight).sum() / weight.sum())


class NoteEstimate(NamedTuple):
    """A decoded note, and the probability 0..1 of its pitch: near 1 where one voice is clear."""

    note: Note
    pitch_confidence: float


@torch.no_grad()
def decode_notes(
    logits: NoteLogits,
    clip: int,
    traits_GPS: Tensor,
    level_L: Tensor,
    level_hop: int,
    rate: int,
    samples: int,
) -> list[NoteEstimate]:
    """Decodes the notes of one clip of a batch. The list is empty for silence.

    A note's pitch is the one that most of its loud frames support, chosen jointly for all notes (see
    `pitch_path`). Its note-off is the likeliest position before the next onset; in a legato phrase it is that
    onset.

    Args:
        logits: logits of a batch.
        clip: index of the clip.
        traits_GPS: octave traits of the clip's frames.
        level_L: the clip's mean power.
        level_hop: samples of a level step.
        rate: sample rate in Hz.
        samples: length of the clip.

    Returns:
        Notes at their sounding pitch, with times rounded to 1 ms and a velocity of 127.
    """
    level = level_L.float().cpu().numpy()
    audible = np.flatnonzero(level > 1e-7)
    if len(audible) == 0:
        return []
    onset_S = logits.onset_BS[clip].float().sigmoid()
    apart = max(1, round(SHORTEST_NOTE_S * rate / SUBFRAME_HOP))
    at = pick_peaks(onset_S, ONSET_THRESHOLD, apart)
    onset, onset_shift, off, off_shift = (
        tensor.float().cpu().numpy()
        for tensor in (onset_S, logits.onset_shift_BS[clip], logits.off_BS[clip].float().sigmoid(),
                       logits.off_shift_BS[clip])
    )  # fmt: skip
    pitch_GP = logits.pitch_BGP[clip].float().log_softmax(-1).cpu().numpy()
    onsets = [refine_event(place, onset, onset_shift) for place in at] or [float(audible[0]) * level_hop]
    onsets = sorted(min(max(value, 0.0), samples - 1.0) for value in onsets)
    # A sudden stop resembles an event: a recording that is cut off must not end in a note of no length.
    latest = samples - SHORTEST_NOTE_S * rate
    onsets = [
        a
        for i, a in enumerate(onsets)
        if i == 0 or (a - onsets[i - 1] >= SHORTEST_NOTE_S * rate / 2 and a <= latest)
    ]
    spans = [
        (start, _note_off(start, end, off, off_shift, rate, samples), end)
        for start, end in zip(onsets, [*onsets[1:], float(samples)], strict=True)
    ]
    frame_weights = [_pitch_frames(len(pitch_GP), level, level_hop, rate, *span) for span in spans]
    log_probability_NP, probability_NP, traits_NPS = (
        np.stack([np.tensordot(weight, part[held], 1) for held, weight in frame_weights])
        for part in (pitch_GP, np.exp(pitch_GP), traits_GPS.float().cpu().numpy())
    )
    pitches = decode_pitches(log_probability_NP, traits_NPS)
    notes = []
    for (start, finish, _), probability, pitch in zip(spans, probability_NP, pitches, strict=True):
        onset_s = round(start / rate, 3)
        duration = max(round(finish / rate, 3) - onset_s, 0.001)
        notes.append(
            NoteEstimate(Note(onset_s, duration, pitch + LOWEST_PITCH, 127), float(probability[pitch]))
        )
    return notes


def _note_off(start: float, end: float, off_S: F32, shift_S: F32, rate: int, samples: int) -> float:
    """Finds the likeliest note-off, in samples, of a note that starts at `start` and must end by `end`."""
    low = max(int((start + SHORTEST_NOTE_S * rate) / SUBFRAME_HOP + CENTRE_SUBFRAME) + 1, 0)
    high = min(int(np.ceil((end + EVENT_RADIUS * SUBFRAME_HOP) / SUBFRAME_HOP + CENTRE_SUBFRAME)), len(off_S))
    finish = end
    if low < high:
        place = low + int(off_S[low:high].argmax())
        finish = min(refine_event(place, off_S, shift_S), end)
    finish = max(finish, min(start + SHORTEST_NOTE_S * rate, end))
    return end if end - finish < 0.004 * rate and end < samples else finish


def _pitch_frames(
    frames: int, level: F32, level_hop: int, rate: int, start: float, finish: float, end: float
) -> tuple[npt.NDArray[np.int64], F32]:
    """Returns the frames from which a note's pitch is decoded, and their weights, which sum to 1.

    Loud frames weigh more. `start`, `finish` (the note-off) and `end` are in samples.
    """
    last = min(max(finish, start + 0.1 * rate), end - 1.0)
    first, after = int(np.ceil((start + 0.005 * rate) / LONG_HOP)), int(last / LONG_HOP) + 1
    if first >= after:
        first = round(start / LONG_HOP) + 1
    first = min(first, frames - 1)
    held = np.arange(first, min(max(after, first + 1), frames))
    weight = np.sqrt(level[np.minimum(held * LONG_HOP // level_hop, len(level) - 1)]) + 1e-6
    return held, weight / weight.sum()
