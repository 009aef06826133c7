"""Phrases cut out of a folder of MIDI files: windows of a monophonic line that begin at a note onset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from manifests.dataset.canonical import sha256_file
from manifests.synthesis.octaves import to_register
from manifests.types import InputError, Note, Notes, check_notes
from midi.monophonic import MIN_NOTE_S, first_overlap, skyline
from midi.reading import Part, read_parts
from midi.spec import PitchRange

SUFFIXES = (".mid", ".midi")


class ExtractSpec(PitchRange):
    """How phrases are cut out of MIDI files."""

    polyphony: Literal["skyline", "refuse"] = Field(
        "skyline", description="of a polyphonic track keep the highest line, or refuse the file by name"
    )
    notes: tuple[int, int] = Field((4, 24), description="fewest and most notes of a phrase")
    hop_s: float | None = Field(
        None, gt=0.0, le=600.0, description="least time between starts of windows; null: the clip's length"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 1 <= self.notes[0] <= self.notes[1] <= 256:
            raise ValueError(
                f"notes: expected [fewest, most] within 1..256, in order, got {list(self.notes)}"
            )
        return self


@dataclass(frozen=True, slots=True)
class SourcedPhrase:
    """A phrase; the file, track and time it comes from; the file's SHA-256; the semitones it was moved."""

    notes: Notes
    source: str
    source_sha256: str
    transposed: int


def midi_files(folder: Path) -> list[Path]:
    """The MIDI files in a folder and its subfolders, sorted by path; InputError if there is none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a folder of .mid files")
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not found:
        raise InputError(f"{folder}: no .mid files in it; expected at least one")
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def note_windows(line: Sequence[Note], seconds: float, hop_s: float) -> list[list[Note]]:
    """The notes within `seconds` of a window's start, as they stand, for windows at least `hop_s` apart."""
    cut, earliest = [], float("-inf")
    for index, first in enumerate(line):
        if first.onset >= earliest - 1e-9:
            end = first.onset + seconds
            inside = [note for note in line[index:] if note.onset <= end - MIN_NOTE_S]
            cut.append(inside)
            earliest = first.onset + hop_s
    return cut


def cut_to_clip(window: Sequence[Note], seconds: float) -> Notes:
    """A window's notes counted from its start, in microseconds' precision, cut at the clip's end."""
    start = window[0].onset
    onsets = [round(note.onset - start, 6) for note in window]
    notes = []
    for note, onset, limit in zip(window, onsets, [*onsets[1:], seconds], strict=True):
        off = min(round(note.off - start, 6), limit)
        notes.append(Note(onset, off - onset, note.pitch, note.velocity))
    return check_notes(notes, seconds)


def _misfit(notes: Notes, spec: ExtractSpec) -> str | None:
    """Why a transposed window is no phrase, or None if it is one."""
    fewest, most = spec.notes
    if not fewest <= len(notes) <= most:
        return f"{len(notes)} notes, expected {fewest}..{most}"
    low, high = min(note.pitch for note in notes), max(note.pitch for note in notes)
    if low < spec.lowest_pitch or high > spec.highest_pitch:
        return f"pitches {low}..{high} in the register, expected {spec.lowest_pitch}..{spec.highest_pitch}"
    return None


def _monophonic(path: Path, line: Part, spec: ExtractSpec) -> list[Note]:
    overlap = first_overlap(line.notes)
    if overlap is not None and spec.polyphony == "refuse":
        raise InputError(
            f"{path}: track {line.track} is polyphonic (at {overlap.onset:.2f} s a note starts while another"
            ' sounds); remove the file, or set polyphony to "skyline" to keep its highest line'
        )
    return skyline(line.notes)


def extract_file(
    path: Path, name: str, spec: ExtractSpec, seconds: float
) -> tuple[list[SourcedPhrase], list[str]]:
    """The phrases of one file, called `name` in their source, and a line for each window skipped."""
    lines, percussion = read_parts(path)
    if not lines:
        if percussion:
            return [], [f"{name}: nothing but percussion (channel 10)"]
        raise InputError(f"{path}: no notes in it; remove it from the folder")
    sha256 = sha256_file(path)
    found, skipped = [], []
    for line in lines:
        alone = sum(other.track == line.track for other in lines) == 1
        place = f"track {line.track}" if alone else f"track {line.track} channel {line.channel + 1}"
        for window in note_windows(_monophonic(path, line, spec), seconds, spec.hop_s or seconds):
            source = f"{name} {place} at {window[0].onset:.2f} s"
            notes, shift = to_register(cut_to_clip(window, seconds))
            reason = _misfit(notes, spec)
            if reason is None:
                found.append(SourcedPhrase(notes, source, sha256, shift))
            else:
                skipped.append(f"{source}: {reason}")
    return found, skipped


def extract_folder(
    folder: Path, spec: ExtractSpec, seconds: float, tick: Callable[[int, int], None] | None = None
) -> tuple[list[SourcedPhrase], list[str]]:
    """The phrases of a folder's MIDI files for clips of `seconds`, and a line for each window skipped.

    Phrases run over the files: each file's first, then each file's second, …, so that any beginning of
    the list is varied. A file that is no sound MIDI file is InputError, never passed over. `tick` is told
    how many files of how many are done.

    Example: `phrases, skipped = extract_folder(Path("melodies"), ExtractSpec(), seconds=3.0)`.
    """
    paths = midi_files(folder)
    by_file, skipped = [], []
    for done, path in enumerate(paths, start=1):
        found, without = extract_file(path, path.relative_to(folder).as_posix(), spec, seconds)
        by_file.append(found)
        skipped += without
        if tick is not None:
            tick(done, len(paths))
    phrases = [one for turn in zip_longest(*by_file) for one in turn if one is not None]
    if not phrases:
        raise InputError(
            f"{folder}: no phrase found in {len(paths)} files, {len(skipped)} windows skipped, such as"
            f" {skipped[0] if skipped else 'none'}; allow fewer notes or a wider pitch range"
        )
    return phrases, skipped
