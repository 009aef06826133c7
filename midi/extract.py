"""Cuts phrases out of MIDI files: windows of a monophonic part that start at a note onset."""

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
    """Configures how phrases are cut out of MIDI files."""

    polyphony: Literal["skyline", "refuse"] = Field(
        "skyline",
        description="polyphonic tracks: keep the highest notes, or raise an error that names the file",
    )
    notes: tuple[int, int] = Field((4, 24), description="lowest and highest number of notes of a phrase")
    hop_s: float | None = Field(
        None, gt=0.0, le=600.0, description="shortest time between window starts, s; null: the clip length"
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
    """Holds a phrase and where it comes from.

    `source` is the file, track and time, or the number of a generated phrase. `source_sha256` is the file's
    SHA-256 ("" for none), and `transposed` the semitones that the notes were transposed by.
    """

    notes: Notes
    source: str
    source_sha256: str
    transposed: int


def midi_files(folder: Path) -> list[Path]:
    """Lists the MIDI files in a folder and its subfolders, sorted by path.

    Raises InputError if the folder does not exist or contains no MIDI file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a folder of .mid files")
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not paths:
        raise InputError(f"{folder}: contains no .mid files; expected at least one")
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def note_windows(line: Sequence[Note], seconds: float, hop_s: float) -> list[list[Note]]:
    """Cuts a part into windows of `seconds` that start at onsets at least `hop_s` apart.

    Each window lists the notes that start within it, with times as in the file.
    """
    cut, earliest = [], float("-inf")
    for index, first in enumerate(line):
        if first.onset >= earliest - 1e-9:
            end = first.onset + seconds
            inside = [note for note in line[index:] if note.onset <= end - MIN_NOTE_S]
            cut.append(inside)
            earliest = first.onset + hop_s
    return cut


def cut_to_clip(window: Sequence[Note], seconds: float) -> Notes:
    """Returns a window's notes relative to its start, rounded to 1 µs and cut at the clip's end.

    Raises InputError if the result is no phrase (`manifests.types.check_notes`).
    """
    start = window[0].onset
    onsets = [round(note.onset - start, 6) for note in window]
    notes = []
    for note, onset, limit in zip(window, onsets, [*onsets[1:], seconds], strict=True):
        off = min(round(note.off - start, 6), limit)
        notes.append(Note(onset, off - onset, note.pitch, note.velocity))
    return check_notes(notes, seconds)


def _rejection(notes: Notes, spec: ExtractSpec) -> str | None:
    """Returns why a transposed window is rejected as a phrase, or None if it is accepted."""
    fewest, most = spec.notes
    if not fewest <= len(notes) <= most:
        return f"{len(notes)} notes, expected {fewest}..{most}"
    low, high = min(note.pitch for note in notes), max(note.pitch for note in notes)
    if low < spec.lowest_pitch or high > spec.highest_pitch:
        return f"pitches {low}..{high} in the register, expected {spec.lowest_pitch}..{spec.highest_pitch}"
    return None


def _monophonic(path: Path, part: Part, spec: ExtractSpec) -> list[Note]:
    overlap = first_overlap(part.notes)
    if overlap is not None and spec.polyphony == "refuse":
        raise InputError(
            f"{path}: track {part.track} is polyphonic (at {overlap.onset:.2f} s a note starts while another"
            ' sounds); remove the file, or set polyphony to "skyline" to keep its highest line'
        )
    return skyline(part.notes)


def extract_file(
    path: Path, name: str, spec: ExtractSpec, seconds: float
) -> tuple[list[SourcedPhrase], list[str]]:
    """Extracts the phrases of one file; `name` is the file's name in their `source`.

    Returns the phrases, and one line of text per rejected window. Raises InputError if the file is not a
    readable MIDI file, contains no notes, or is polyphonic while the spec refuses that.
    """
    parts, percussion = read_parts(path)
    if not parts:
        if percussion:
            return [], [f"{name}: only percussion (channel 10)"]
        raise InputError(f"{path}: contains no notes; remove it from the folder")
    sha256 = sha256_file(path)
    phrases, skipped = [], []
    for part in parts:
        alone = sum(other.track == part.track for other in parts) == 1
        place = f"track {part.track}" if alone else f"track {part.track} channel {part.channel + 1}"
        for window in note_windows(_monophonic(path, part, spec), seconds, spec.hop_s or seconds):
            source = f"{name} {place} at {window[0].onset:.2f} s"
            notes, shift = to_register(cut_to_clip(window, seconds))
            reason = _rejection(notes, spec)
            if reason is None:
                phrases.append(SourcedPhrase(notes, source, sha256, shift))
            else:
                skipped.append(f"{source}: {reason}")
    return phrases, skipped


def extract_folder(
    folder: Path, spec: ExtractSpec, seconds: float, on_progress: Callable[[int, int], None] | None = None
) -> tuple[list[SourcedPhrase], list[str]]:
    """Extracts the phrases of a folder's MIDI files for clips of `seconds`.

    Returns the phrases, and one line of text per rejected window. The order interleaves the files: the first
    phrase of each, then the second of each, …, so any prefix of the list is varied. `on_progress` is
    called with (files done, files in all).

    Raises InputError if the folder has no MIDI files, any file is damaged (none is skipped), or no phrase
    is found.

    Example::

        phrases, rejected = extract_folder(Path("midi"), ExtractSpec(), seconds=3.0)
    """
    paths = midi_files(folder)
    by_file, skipped = [], []
    for done, path in enumerate(paths, start=1):
        phrases, rejected = extract_file(path, path.relative_to(folder).as_posix(), spec, seconds)
        by_file.append(phrases)
        skipped += rejected
        if on_progress is not None:
            on_progress(done, len(paths))
    phrases = [phrase for nth in zip_longest(*by_file) for phrase in nth if phrase is not None]
    if not phrases:
        raise InputError(
            f"{folder}: no phrase found in {len(paths)} files, {len(skipped)} windows skipped, such as"
            f" {skipped[0] if skipped else 'none'}; allow fewer notes or a wider pitch range"
        )
    return phrases, skipped
