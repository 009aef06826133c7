"""Cuts phrases out of MIDI files: windows of a monophonic part that start at a note onset."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from manifests.dataset.canonical import sha256_file
from manifests.listing import Remarks, Say, list_folder, say_passed_over, settle_bad
from manifests.synthesis.octaves import to_register
from manifests.types import InputError, Note, Notes, check_notes, shown
from midi.monophonic import MIN_NOTE_S, first_overlap, skyline
from midi.reading import Part, read_song
from midi.spec import PitchRange

MOST_REASONS = 5
"""Reasons that the message of a folder without phrases spells out."""
SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".smf")


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


def midi_files(folder: Path, say: Say) -> tuple[list[Path], list[str]]:
    """Lists the MIDI files in a folder and its subfolders, sorted by path, by the endings of their names.

    Returns the files, and a line of text for each subfolder that cannot be read. `say` is told what is passed
    over. Raises InputError if the folder does not exist or contains no MIDI file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a folder of .mid files")
    listing = list_folder(folder)
    paths = [path for path in listing.files if path.suffix.lower() in SUFFIXES]
    say_passed_over(folder, listing, paths, say)
    if not paths and not listing.unread:
        raise InputError(f"{folder}: contains no .mid files; expected at least one")
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix()), listing.unread


def note_windows(line: Sequence[Note], seconds: float, hop_s: float) -> list[list[Note]]:
    """Cuts a part into windows of `seconds` that start at onsets at least `hop_s` apart.

    Each window lists the notes that start within it, with times as in the file.
    """
    cut, earliest = [], float("-inf")
    onsets = [note.onset for note in line]
    for index, first in enumerate(line):
        if first.onset >= earliest - 1e-9:
            end = first.onset + seconds
            cut.append(list(line[index : bisect_right(onsets, end - MIN_NOTE_S)]))
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
) -> tuple[list[SourcedPhrase], list[str], Counter[str]]:
    """Extracts the phrases of one file; `name` is the file's name in their `source`.

    Returns the phrases, one line of text per part without notes of use and per rejected window, and how often
    what was left out or repaired. Raises InputError if the file is not a readable MIDI file, contains no
    notes, or is polyphonic while the spec refuses that.
    """
    song = read_song(path)
    remarks = Counter(song.repairs)
    if song.percussion:
        remarks["percussion (channel 10) was left out"] += 1
    if song.timeless:
        remarks["a note that lasts no time was left out (a tempo of 0, or no ticks)"] += song.timeless
    if not song.parts:
        if song.timeless:
            return [], [f"{name}: all its notes last no time (a tempo of 0, or no ticks)"], remarks
        if song.percussion:
            return [], [f"{name}: only percussion (channel 10)"], remarks
        raise InputError(f"{path}: contains no notes; remove it from the folder")
    sha256 = sha256_file(path)
    phrases, skipped = [], []
    parts_of_track = Counter(part.track for part in song.parts)
    for part in song.parts:
        alone = parts_of_track[part.track] == 1
        place = f"track {part.track}" if alone else f"track {part.track} channel {part.channel + 1}"
        short = sum(note.duration < MIN_NOTE_S for note in part.notes)
        if short:
            remarks[f"a note shorter than {MIN_NOTE_S * 1000:g} ms was left out"] += short
        line = _monophonic(path, part, spec)
        if not line:
            skipped.append(f"{name} {place}: all its notes are shorter than {MIN_NOTE_S * 1000:g} ms")
        for window in note_windows(line, seconds, spec.hop_s or seconds):
            source = f"{name} {place} at {window[0].onset:.2f} s"
            notes, shift = to_register(cut_to_clip(window, seconds))
            reason = _rejection(notes, spec)
            if reason is None:
                phrases.append(SourcedPhrase(notes, source, sha256, shift))
            else:
                skipped.append(f"{source}: {reason}")
    return phrases, skipped, remarks


def extract_folder(
    folder: Path,
    spec: ExtractSpec,
    seconds: float,
    on_progress: Callable[[int, int], None] | None = None,
    skip_bad: bool = False,
    say: Say = lambda line: None,
) -> tuple[list[SourcedPhrase], list[str]]:
    """Extracts the phrases of a folder's MIDI files for clips of `seconds`.

    Returns the phrases, and one line of text per rejected window. The order interleaves the files: the first
    phrase of each, then the second of each, …, so any prefix of the list is varied. `on_progress` is
    called with (files done, files in all), `say` with a line of text for what was repaired or passed over.

    Raises InputError if the folder has no MIDI files or no phrase is found, and InputErrors with all files
    that cannot be read, unless `skip_bad` leaves them out.

    Example::

        phrases, rejected = extract_folder(Path("midi"), ExtractSpec(), seconds=3.0)
    """
    paths, bad = midi_files(folder, say)
    by_file, skipped = [], []
    remarks = Remarks()
    for done, path in enumerate(paths, start=1):
        name = shown(path.relative_to(folder).as_posix())
        try:
            phrases, rejected, of_file = extract_file(path, name, spec, seconds)
        except InputError as error:
            bad.append(str(error))
        else:
            by_file.append(phrases)
            skipped += rejected
            remarks.add(name, of_file)
        if on_progress is not None:
            on_progress(done, len(paths))
    for line in remarks.lines():
        say(line)
    settle_bad(bad, len(paths), skip_bad, say)
    phrases = [phrase for nth in zip_longest(*by_file) for phrase in nth if phrase is not None]
    if not phrases:
        some = "; ".join(skipped[:MOST_REASONS]) if skipped else "none"
        raise InputError(
            f"{folder}: no phrase found in {len(paths)} files, {len(skipped)} windows skipped, such as"
            f" {some}; allow fewer notes or a wider pitch range"
        )
    return phrases, skipped
