"""Decodes the encoder's note logits into note lists.

The note list is the codec's content, and it is quantised. Pitch takes 7 bits, velocity relative to the
loudest note 7 bits, onset and note-off 12 bits each: 1 ms within four seconds. That is 38 bits a note, or
about 100 bit/s for phrases of five to ten notes in three seconds.

Shape suffixes: N notes, S subframes of 128 samples, G frames of 1024, P pitches, Q octave traits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.types import Note
from train.systems.triptych.hearing.pitch_path import decode_pitches
from train.systems.triptych.hearing.recording import EncodedRecording
from train.systems.triptych.networks.features import LEVEL_HOP, LONG_HOP, LOWEST_PITCH
from train.systems.triptych.networks.note_head import CENTRE_SUBFRAME, EVENT_RADIUS, SUBFRAME_HOP

F32 = npt.NDArray[np.float32]

SHORTEST_NOTE_S = 0.03
"""Onsets closer together than this, in seconds, count as one."""

ONSET_THRESHOLDS = (0.25, 0.5, 0.08)
"""Onset probabilities below which a peak is no onset; each gives a note list. The triangular target peaks at
0.75 to 1."""

AUDIBLE = 1e-7
"""Mean power below which (-70 dB) a recording is silent."""


class Onset(NamedTuple):
    """A possible onset: its position in samples and its probability 0..1."""

    at: float
    probability: float


class NoteEstimate(NamedTuple):
    """A decoded note.

    Attributes:
        note: times rounded to 1 ms, sounding pitch, velocity 127.
        pitch_confidence: probability 0..1 of its pitch, near 1 where one voice is clear.
        pitch_log_probability: mean log probability of its pitch, by level, until the next onset.
        onset: what it begins at.
    """

    note: Note
    pitch_confidence: float
    pitch_log_probability: float
    onset: Onset


class NoteDecoder:
    """Decodes note lists from the encoder's outputs for one recording.

    Any subset of the possible onsets gives a note list, so that several can be compared.

    Example::

        decoder = NoteDecoder(encoded, 44_100, len(audio))
        estimates = decoder.decode(decoder.onsets())
    """

    def __init__(self, encoded: EncodedRecording, rate: int, samples: int) -> None:
        self.rate, self.samples = rate, samples
        logits = encoded.logits
        self.level = encoded.level_L.float().cpu().numpy()
        self.onset_S, self.onset_shift_S, self.off_S, self.off_shift_S = (
            tensor[0].float().cpu().numpy()
            for tensor in (
                logits.onset_BS.float().sigmoid(), logits.onset_shift_BS,
                logits.off_BS.float().sigmoid(), logits.off_shift_BS,
            )
        )  # fmt: skip
        self.pitch_GP = logits.pitch_BGP[0].float().log_softmax(-1).cpu().numpy()
        self.traits_GPQ = encoded.traits_GPS.float().cpu().numpy()

    def onsets(self, threshold: float = ONSET_THRESHOLDS[0]) -> list[Onset]:
        """Returns the peaks of onset probability of at least `threshold`; none for silence.

        A recording that sounds without such a peak has one onset, where it begins to sound.
        """
        audible = np.flatnonzero(self.level > AUDIBLE)
        if len(audible) == 0:
            return []
        apart = max(1, round(SHORTEST_NOTE_S * self.rate / SUBFRAME_HOP))
        found = [
            Onset(refine_event(place, self.onset_S, self.onset_shift_S), float(self.onset_S[place]))
            for place in pick_peaks(torch.from_numpy(self.onset_S), threshold, apart)
        ] or [Onset(float(audible[0]) * LEVEL_HOP, 0.0)]
        found = sorted(Onset(min(max(at, 0.0), self.samples - 1.0), p) for at, p in found)
        # A sudden stop resembles an event: a recording that is cut off must not end in a note of no length.
        latest = self.samples - SHORTEST_NOTE_S * self.rate
        return [
            onset
            for i, onset in enumerate(found)
            if i == 0
            or (onset.at - found[i - 1].at >= SHORTEST_NOTE_S * self.rate / 2 and onset.at <= latest)
        ]

    def decode(self, onsets: Sequence[Onset], stop: int | None = None) -> list[NoteEstimate]:
        """Decodes the notes that begin at `onsets`, in order; the last one ends at sample `stop`, or the end.

        A note's pitch is the one that most of its loud frames support, chosen jointly for all notes (see
        `pitch_path`). Its note-off is the likeliest position before the next onset; in a legato phrase it is
        that onset.
        """
        if not onsets:
            return []
        starts = [onset.at for onset in onsets]
        last = float(self.samples if stop is None else stop)
        spans = [
            (start, self._note_off(start, end), end)
            for start, end in zip(starts, [*starts[1:], last], strict=True)
        ]
        weights = [self._pitch_frames(*span) for span in spans]
        log_probability_NP, probability_NP, traits_NPQ = (
            np.stack([np.tensordot(weight, part[held], 1) for held, weight in weights])
            for part in (self.pitch_GP, np.exp(self.pitch_GP), self.traits_GPQ)
        )
        pitches = decode_pitches(log_probability_NP, traits_NPQ)
        estimates = []
        for row, (start, finish, end) in enumerate(spans):
            onset_s = round(start / self.rate, 3)
            duration = max(round(finish / self.rate, 3) - onset_s, 0.001)
            pitch = pitches[row]
            held, weight = self._pitch_frames(start, end, end)
            estimates.append(
                NoteEstimate(
                    Note(onset_s, duration, pitch + LOWEST_PITCH, 127),
                    float(probability_NP[row, pitch]),
                    float(weight @ self.pitch_GP[held, pitch]),
                    onsets[row],
                )
            )
        return estimates

    def _note_off(self, start: float, end: float) -> float:
        """Finds the likeliest note-off, in samples, of a note from `start` that must end by `end`."""
        shortest = SHORTEST_NOTE_S * self.rate
        low = max(int((start + shortest) / SUBFRAME_HOP + CENTRE_SUBFRAME) + 1, 0)
        reach = int(np.ceil((end + EVENT_RADIUS * SUBFRAME_HOP) / SUBFRAME_HOP + CENTRE_SUBFRAME))
        high = min(reach, len(self.off_S))
        finish = end
        if low < high:
            place = low + int(self.off_S[low:high].argmax())
            finish = min(refine_event(place, self.off_S, self.off_shift_S), end)
        finish = max(finish, min(start + shortest, end))
        return end if end - finish < 0.004 * self.rate and end < self.samples else finish

    def _pitch_frames(self, start: float, finish: float, end: float) -> tuple[npt.NDArray[np.int64], F32]:
        """Returns the frames from which a note's pitch is decoded, and their weights, which sum to 1.

        Loud frames weigh more. `start`, `finish` (the note-off) and `end` are in samples.
        """
        frames, level = len(self.pitch_GP), self.level
        last = min(max(finish, start + 0.1 * self.rate), end - 1.0)
        first = int(np.ceil((start + 0.005 * self.rate) / LONG_HOP))
        after = int(last / LONG_HOP) + 1
        if first >= after:
            first = round(start / LONG_HOP) + 1
        first = min(first, frames - 1)
        held = np.arange(first, min(max(after, first + 1), frames))
        weight = np.sqrt(level[np.minimum(held * LONG_HOP // LEVEL_HOP, len(level) - 1)]) + 1e-6
        return held, weight / weight.sum()


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
