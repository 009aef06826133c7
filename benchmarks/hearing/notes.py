"""F1 scores of notes by mir_eval's definitions, and whether note-offs can be heard.

A note is matched at most once, by a maximum bipartite matching. Notes match if

- *onset*: their onsets lie within 50 ms;
- *pitch*: also their pitches within 50 cents, so that whole MIDI pitches are equal;
- *offset*: also their note-offs within 50 ms, or 20% of the true duration if that is longer.

See Raffel et al., "mir_eval: a transparent implementation of common MIR metrics", ISMIR 2014. Distances are
rounded to 0.1 ms there and here. `independent.py` computes the same three scores with mir_eval.

Two more scores forgive offsets that make no difference to the sound. *offset_heard* asks for an offset only
where the true one can be heard: where the note would sound different if it were held on. *offset_played* also
accepts any offset with which the true envelope would sound the same.

Array suffixes: R true notes, E estimated notes, T times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from manifests.synthesis.envelope import gain_curve
from manifests.types import Envelope, Note, Notes

F64 = npt.NDArray[np.float64]
Allowed = npt.NDArray[np.bool_]

ONSET_S, OFFSET_S, OFFSET_SHARE = 0.05, 0.05, 0.2
DECIMALS = 4
"""Decimals to which mir_eval rounds distances in seconds."""

HEARD_DB, HEARD_GAIN, FLOOR_DB = 1.0, 0.05, -60.0
"""Two gains of a note sound different if they differ by more than this mean, in dB with this floor, and by
more than this linear maximum."""

STEP_MS = 1.0
HIGHEST_SHIFT = 4
"""Octaves up or down that the told octave may lie from the heard one."""

CRITERIA = ("onset", "pitch", "offset", "offset_heard", "offset_played")


def f1(allowed_RE: Allowed) -> float:
    """Computes the F1 score of the largest matching of true and estimated notes; 0 without notes on a side.

    Args:
        allowed_RE: bool [true notes, estimated notes], whether two notes match.

    Example: `f1(np.array([[True, True]]))` is 2/3.
    """
    if not allowed_RE.size:
        return 0.0
    hits = int((maximum_bipartite_matching(csr_matrix(allowed_RE.astype(np.int8))) >= 0).sum())
    return 2.0 * hits / sum(allowed_RE.shape)


def note_scores(estimate: Notes, truth: Notes, envelope: Envelope | None, seconds: float) -> dict[str, float]:
    """Computes the F1 scores of estimated notes.

    Args:
        estimate: The notes as heard.
        truth: The notes as played, in order, of one voice.
        envelope: The true envelope. Without it, the scores for what can be heard are left out.
        seconds: Length of the clip.

    Returns:
        F1 by criterion (see `CRITERIA`), and all but `onset` once more as `..._told`, after the shift by
        octaves that gives the best pitch score. `octave_shift` is that shift; of equal ones, the smallest.

    Example: `note_scores(notes, notes, envelope, 3.0)["offset"]` is 1.0.
    """
    onset_RE = _within(_column(truth, "onset"), _column(estimate, "onset"), ONSET_S)
    offset_RE = _within(_column(truth, "off"), _column(estimate, "off"), offset_tolerance(truth))
    rules = {"pitch": np.ones_like(onset_RE), "offset": offset_RE}
    if envelope is not None:
        heard_R = np.array(can_be_heard(truth, envelope, seconds), dtype=bool)
        rules["offset_heard"] = offset_RE | ~heard_R[:, None]
        rules["offset_played"] = offset_RE | sounds_alike(estimate, truth, envelope, seconds)
    interval_RE = np.subtract.outer(_column(estimate, "pitch"), _column(truth, "pitch")).T
    octaves = sorted(range(-HIGHEST_SHIFT, HIGHEST_SHIFT + 1), key=lambda octave: (abs(octave), octave))
    shift = max(octaves, key=lambda octave: f1(onset_RE & (interval_RE == 12 * octave)))
    scores = {"onset": f1(onset_RE), "octave_shift": float(shift)}
    for name, rule_RE in rules.items():
        scores[name] = f1(onset_RE & rule_RE & (interval_RE == 0))
        scores[f"{name}_told"] = f1(onset_RE & rule_RE & (interval_RE == 12 * shift))
    return scores


def offset_tolerance(truth: Sequence[Note]) -> F64:
    """Returns the tolerance of each note-off in seconds, float64 [R]."""
    return np.maximum(OFFSET_SHARE * _column(truth, "duration"), OFFSET_S)


def can_be_heard(notes: Sequence[Note], envelope: Envelope, seconds: float) -> list[bool]:
    """Tells of each note whether it would sound different if it were held until the next onset.

    Args:
        notes: The notes of one voice, in order.
        envelope: The envelope they are played with.
        seconds: Length of the clip; the last note could be held until then.
    """
    return [
        differ(envelope, end - note.onset, note.duration, end - note.onset)
        for note, end in zip(notes, span_ends(notes, seconds), strict=True)
    ]


def sounds_alike(
    estimate: Sequence[Note], truth: Sequence[Note], envelope: Envelope, seconds: float
) -> Allowed:
    """Tells of which estimated note-offs each true note would sound the same: bool [R, E]."""
    alike_RE = np.zeros((len(truth), len(estimate)), dtype=bool)
    for row, (note, end) in enumerate(zip(truth, span_ends(truth, seconds), strict=True)):
        for column, other in enumerate(estimate):
            if abs(other.onset - note.onset) <= 2 * ONSET_S:
                off = other.off - note.onset
                alike_RE[row, column] = not differ(envelope, end - note.onset, note.duration, off)
    return alike_RE


def differ(envelope: Envelope, span_s: float, gate_s: float, other_gate_s: float) -> bool:
    """Tells whether a note sounds different with another gate, within a span after its onset.

    Args:
        envelope: The envelope of the note.
        span_s: Seconds from the onset to the next one.
        gate_s: Seconds until its note-off.
        other_gate_s: Seconds until the other note-off.
    """
    time_T = (np.arange(max(round(1000.0 * span_s / STEP_MS), 1)) + 0.5) * STEP_MS
    one_T, other_T = (
        gain_curve(envelope, 1000.0 * min(max(gate, 0.0), span_s + 1.0), time_T)
        for gate in (gate_s, other_gate_s)
    )
    floor = 10.0 ** (FLOOR_DB / 20.0)
    apart_T = np.abs(20.0 * np.log10(np.maximum(one_T, floor) / np.maximum(other_T, floor)))
    return bool(apart_T.mean() > HEARD_DB and np.abs(one_T - other_T).max() > HEARD_GAIN)


def span_ends(notes: Sequence[Note], seconds: float) -> list[float]:
    """Returns the time in seconds at which each note is cut: the next onset, or the end of the clip."""
    return [*(note.onset for note in notes[1:]), seconds]


def _column(notes: Sequence[Note], name: str) -> F64:
    return np.array([getattr(note, name) for note in notes], dtype=np.float64)


def _within(truth_R: F64, estimate_E: F64, tolerance: float | F64) -> Allowed:
    apart_RE = np.round(np.abs(np.subtract.outer(truth_R, estimate_E)), DECIMALS)
    return np.asarray(apart_RE <= np.reshape(tolerance, (-1, 1)))
