"""A test set of given pairs. Their notes are not stated, but lie on a time grid, from which they are read.

Files are named `{pair}_orig.wav`, `{pair}_ref.wav` and `{pair}_gt.wav`: source, reference, and the target.
The target has the notes of the source, and the envelope and timbre of the reference. A transcription is
quantised to the grid, and the recordings of one phrase confirm each other:

- A source has the notes of its target, by octaves as the source sounds.
- A reference has its own transcription, if another recording of the folder plays the same phrase.
- A rest is a step of the grid that is silent in any recording of the phrase that otherwise sounds on.
- The envelope is measured on the target with these notes, and scored against what is stated of the reference.

These are near-truths. Pairs with one target form a group. The octave is not scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from benchmarks.hearing.clip_set import Truth, write_test_set
from manifests.types import Envelope, InputError, Note, Notes
from train.audio.files import read_audio
from train.metrics.envelope import measure_envelope
from train.metrics.features import AudioFeatures
from train.metrics.transcribe import transcribe

F32 = npt.NDArray[np.float32]

NEAR_GRID_S = 0.03
"""Notes that begin further from the grid are taken for errors of the transcription."""

SILENT_DB = 15.0
"""A step is silent if it is this much below the median of the steps in which notes sound on."""

FAINTEST = 1e-3
"""Level below which (-60 dBFS) steps are not told apart."""

SAME_SOUND = 0.999
"""Correlation above which two targets are one."""

CUT_FADE_MS = 5.0


@dataclass(frozen=True)
class _Recording:
    """A recording, float32 [samples] at `rate` Hz, and its notes on the grid: grid step -> note."""

    audio: F32
    rate: int
    starts: dict[int, Note]

    @property
    def phrase(self) -> tuple[tuple[int, int], ...]:
        """The phrase in any register: step and semitones above the lowest note, of each note."""
        lowest = min((note.pitch for note in self.starts.values()), default=0)
        return tuple((step, note.pitch - lowest) for step, note in sorted(self.starts.items()))


def pair_test_set(folder: Path, grid_s: float, out: Path) -> None:
    """Writes a test set of the sources and references of a folder of given pairs.

    Raises InputError if the folder holds no pair.
    """
    pairs = sorted(path.stem.removesuffix("_gt") for path in folder.glob("*_gt.wav"))
    if not pairs:
        raise InputError(f"{folder}: no file *_gt.wav; expected PAIR_orig.wav, PAIR_ref.wav, PAIR_gt.wav")
    recordings = {
        (pair, role): _read(folder / f"{pair}_{role}.wav", grid_s)
        for pair in pairs
        for role in ("orig", "ref", "gt")
    }
    for pair in pairs:
        target = recordings[pair, "gt"]
        recordings[pair, "orig"] = _with_phrase_of(recordings[pair, "orig"], target)
    groups = _group_targets({pair: recordings[pair, "gt"].audio for pair in pairs})
    truths: list[Truth] = []
    audio: dict[str, Path] = {}
    for pair in pairs:
        source, reference, target = (recordings[pair, role] for role in ("orig", "ref", "gt"))
        notes = _with_rests(source, recordings.values(), grid_s)
        truths.append(_truth(f"{pair}_orig", groups[pair], source, notes, _measure(source, notes), False))
        envelope = _measure(target, _with_rests(target, recordings.values(), grid_s))
        confirmed = any(
            one.phrase == reference.phrase and not _same_sound(one.audio, reference.audio)
            for one in recordings.values()
        )
        played = _with_rests(reference, recordings.values(), grid_s) if confirmed else None
        truths.append(_truth(f"{pair}_ref", groups[pair], reference, played, envelope, True))
        audio |= {f"{pair}_{role}": folder / f"{pair}_{role}.wav" for role in ("orig", "ref")}
    write_test_set(out, truths, audio)


def _read(path: Path, grid_s: float) -> _Recording:
    audio, rate = read_audio(path)
    starts: dict[int, Note] = {}
    for note in transcribe(AudioFeatures(audio, rate)):
        step = round(note.onset / grid_s)
        if abs(note.onset - step * grid_s) < NEAR_GRID_S:
            starts.setdefault(step, note)
    return _Recording(audio, rate, starts)


def _with_phrase_of(source: _Recording, target: _Recording) -> _Recording:
    """Gives a source the notes of its target, transposed by the octaves by which most of its own differ."""
    octaves = [
        round((source.starts[step].pitch - note.pitch) / 12)
        for step, note in target.starts.items()
        if step in source.starts
    ]
    shift = 12 * round(median(octaves)) if octaves else 0
    starts = {step: replace(note, pitch=note.pitch + shift) for step, note in target.starts.items()}
    return replace(source, starts=starts)


def _group_targets(targets: dict[str, F32]) -> dict[str, str]:
    """Returns for each pair the first pair whose target sounds the same."""
    groups: dict[str, str] = {}
    for pair, audio in targets.items():
        same = (other for other in groups.values() if _same_sound(audio, targets[other]))
        groups[pair] = next(same, pair)
    return groups


def _same_sound(one: F32, other: F32) -> bool:
    length = min(len(one), len(other))
    return bool(np.corrcoef(one[:length], other[:length])[0, 1] > SAME_SOUND)


def _with_rests(recording: _Recording, recordings: Iterable[_Recording], grid_s: float) -> Notes:
    """Returns a recording's notes: each is held until the next one, or until a rest begins.

    A rest is silent in any of `recordings` that plays the same phrase.
    """
    starts, last = recording.starts, round(len(recording.audio) / recording.rate / grid_s)
    steps = sorted(starts)
    on = [step for step in range(last) if step not in starts and step > min(steps, default=last)]
    same = (one for one in recordings if one.phrase == recording.phrase)
    silent = {step for one in same for step in _silent_steps(one, on, grid_s)}
    notes = []
    for step, end in zip(steps, [*steps[1:], last], strict=True):
        off = next((rest for rest in range(step + 1, end) if rest in silent), end)
        notes.append(replace(starts[step], onset=step * grid_s, duration=(off - step) * grid_s))
    return tuple(notes)


def _silent_steps(recording: _Recording, steps: Sequence[int], grid_s: float) -> set[int]:
    """Returns which of the steps, in none of which a note begins, are silent; none if all are as faint."""
    levels = {step: _level_db(recording, step, grid_s) for step in steps}
    typical = median(levels.values()) if levels else 0.0
    return {step for step, level in levels.items() if level < typical - SILENT_DB}


def _level_db(recording: _Recording, step: int, grid_s: float) -> float:
    """Computes the level of the later part of a step, where a released note has faded, without its mean."""
    first, last = (round((step + share) * grid_s * recording.rate) for share in (0.6, 0.9))
    part = recording.audio[first:last].astype(np.float64)
    return float(20.0 * np.log10(max(part.std(), FAINTEST))) if len(part) else -60.0


def _truth(
    clip: str, group: str, recording: _Recording, notes: Notes | None, envelope: Envelope | None, states: bool
) -> Truth:
    return Truth(clip, group, len(recording.audio) / recording.rate, notes, envelope, states, None)


def _measure(recording: _Recording, notes: Notes) -> Envelope | None:
    measured = measure_envelope(recording.audio, notes, recording.rate, CUT_FADE_MS)
    return None if measured is None else measured.envelope
