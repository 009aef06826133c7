"""Fits an envelope to another rhythm, and masks what the content path must not depend on.

The published model adds the envelope's frames to the content's one by one, although both may come from clips
of different rhythms. Here the envelope's frames are first moved to the target's notes: those of its clip's
longest note serve every note of the target.

Shape suffix: F frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.synthesis import compose
from manifests.types import Notes

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

ONSET_THRESHOLD = 0.5
"""Probability from which a frame counts as an onset."""
RELEASE_DROP = 0.3
"""A note ends where its level (log10) stays this far below its median: 6 dB."""


class Gate(NamedTuple):
    """A note in frames: held from `onset` to before `off`, its release to before `end`."""

    onset: int
    off: int
    end: int


def note_gates(notes: Notes, rate: int, samples: int, hop: int) -> list[Gate]:
    """Converts known notes to gates of at least one frame."""
    gates = []
    for span in compose.spans(notes, rate, samples):
        onset = span.onset // hop
        off = max(onset + 1, round(span.off / hop))
        gates.append(Gate(onset, off, max(off, span.end // hop)))
    return gates


def estimate_gates(level_F: F32, onset_F: F32) -> list[Gate]:
    """Estimates gates from a clip's level (log10 RMS) and the probability of an onset in each frame.

    The clip counts as one note if no onset reaches the threshold.
    """
    frames = len(level_F)
    around = np.stack([np.roll(onset_F, shift) for shift in (-2, -1, 1, 2)])
    peaks = np.flatnonzero((onset_F >= ONSET_THRESHOLD) & (onset_F >= around.max(0)))
    onsets = [int(place) for i, place in enumerate(peaks) if i == 0 or place - peaks[i - 1] > 2] or [0]
    gates = []
    for onset, end in zip(onsets, [*onsets[1:], frames], strict=True):
        piece = level_F[onset:end]
        held = np.flatnonzero(piece >= np.median(piece) - RELEASE_DROP)
        gates.append(Gate(onset, onset + int(held[-1]) + 1, end))
    return gates


def retime_frames(target: Sequence[Gate], donor: Sequence[Gate], level_F: F32, frames: int) -> I64:
    """Returns the index of the donor's frame for each frame of the target, int64 [frames].

    Args:
        target: gates of the target.
        donor: gates of the clip that gives the envelope.
        level_F: level of the donor; its quietest frame is used where the target has no note.
        frames: frames of the target.
    """
    index = np.full(frames, int(np.argmin(level_F)), dtype=np.int64)
    longest = max(donor, key=lambda gate: gate.off - gate.onset)
    for gate in target:
        at = np.arange(max(gate.onset, 0), max(min(gate.end, frames), 0))
        held = longest.onset + np.minimum(at - gate.onset, longest.off - longest.onset - 1)
        tail = np.minimum(longest.off + at - gate.off, max(longest.end, longest.off + 1) - 1)
        index[at] = np.clip(np.where(at < gate.off, held, tail), 0, len(level_F) - 1)
    return index


def sustain_mask(notes: Notes, rate: int, samples: int, after_ms: float, fade_ms: float) -> F32:
    """Computes a gain that silences the sustain of each note, float32 [samples].

    The gain is 0 from `after_ms` after a note's onset to its note-off. Both edges are raised cosines of
    `fade_ms` inside the silenced span, so that there is no click.
    """
    mask = np.ones(samples, dtype=np.float32)
    fade = compose.cut_fade(compose.to_samples(fade_ms / 1000.0, rate))
    for span in compose.spans(notes, rate, samples):
        first = span.onset + compose.to_samples(after_ms / 1000.0, rate)
        length = span.off - first
        if length >= 2 * len(fade):
            mask[first : span.off] = 0.0
            mask[first : first + len(fade)] = fade
            mask[span.off - len(fade) : span.off] = fade[::-1]
    return mask
