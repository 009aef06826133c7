"""Evaluation of given pairs: audio files with the estimates of any systems, and conversions by codecs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from manifests.dataset.canonical import sha256_file
from manifests.listing import Remarks, settle_bad
from manifests.types import InputError, Notes, shown
from train.audio.files import check_audio
from train.audio.resampling import resample
from train.data.pairs import TAKES
from train.evaluation.files import FileRow, file_trials, group_by_pair, read_rows, scan_folder
from train.evaluation.pairs import ConversionTimer, Converter
from train.evaluation.run import ProgressStarter, Say, describe_checkpoints, score_all, write_timings
from train.evaluation.seeds import seed_groups
from train.evaluation.trial import Audio, Trial
from train.metrics.pitch import notes_as_track
from train.metrics.tracker import PitchTrack, track_pitch


@dataclass(frozen=True, slots=True)
class PairCodecs:
    """Codecs that convert given pairs.

    Attributes:
        codecs: The codecs by name.
        checkpoints: The checkpoint of each codec.
        octave_told: Whether each codec also converts every pair in the octave of its target.

    Raises InputError if the octave is to be told to a codec that takes none.
    """

    codecs: Mapping[str, Converter] = field(default_factory=dict)
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    octave_told: bool = False

    def __post_init__(self) -> None:
        for name, codec in self.codecs.items():
            if self.octave_told and not codec.by_number:
                raise InputError(f"--octave-told: {name} takes no octave; leave it out")

    def methods(self) -> list[str]:
        """Returns the names of the methods that the codecs add."""
        return [m for name in self.codecs for m in (name, *([told(name)] if self.octave_told else []))]


def told(name: str) -> str:
    """Returns the method name of codec `name` where the octave is told."""
    return f"{name} octave-told"


def octaves_to_target(trial: Trial, notes: Notes) -> int:
    """Returns by how many octaves the target sounds above `notes`, which a conversion played.

    It is the median of the target's pitch less that of the note, over the frames in which both have one. The
    target's pitch is that of its true notes where they are known, else that of the pitch tracker. Without a
    common frame it is 0.

    Example: `octaves_to_target(trial, codec.convert(trial.source, trial.reference).notes)`
    """
    if "target" in trial.truths:
        times = np.arange(0.0, len(trial.target) / trial.rate, 0.005)
        track = PitchTrack(*notes_as_track(trial.truths["target"].notes, times))
    else:
        track = track_pitch(trial.target, trial.rate)
        times = track.times()
    midi, held = notes_as_track(notes, times)
    common = held & track.voiced
    return round(float(np.median(track.midi[common] - midi[common])) / 12.0) if common.any() else 0


def convert_given(make: Callable[[], Trial], given: PairCodecs, timer: ConversionTimer) -> Trial:
    """Makes a trial, and adds the conversions of its source by codecs to its estimates.

    A codec takes what the trial's kind names of the reference; both, if the kind is a user's own. Audio is
    resampled to the codec's rate, and back.

    Args:
        make: Makes the trial.
        given: The codecs.
        timer: Records how long conversions take.

    Raises:
        InputError: Names the pair and the codec that cannot convert it.
    """
    trial = make()
    take = TAKES.get(trial.kind, TAKES["both"])
    made: dict[str, Audio] = {}
    for name, codec in given.codecs.items():
        source, reference = (resample(a, trial.rate, codec.rate) for a in (trial.source, trial.reference))
        try:
            start = time.thread_time()
            result = codec.convert(source, reference, take=take)
            timer.add(name, time.thread_time() - start, len(source) / codec.rate)
            made[name] = resample(np.asarray(result.audio, dtype=np.float32), codec.rate, trial.rate)
            if given.octave_told:
                octaves = octaves_to_target(trial, result.notes or ())
                made[told(name)] = made[name]
                if octaves and result.octave is not None:
                    again = codec.convert(source, reference, take=take, octave=result.octave + octaves)
                    audio = np.asarray(again.audio, dtype=np.float32)
                    made[told(name)] = resample(audio, codec.rate, trial.rate)
        except InputError as error:
            raise InputError(f"pair {trial.pair!r}, converted by {name}: {error}") from None
    names = {name: f"{trial.pair} converted by {name}" for name in made}
    return replace(trial, estimates=trial.estimates | made, names=trial.names | names)


def evaluate_files(
    table: Path,
    seed: int,
    out: Path,
    track: ProgressStarter,
    workers: int | None = None,
    crepe: bool = False,
    given: PairCodecs | None = None,
    say: Say = lambda line: None,
    skip_bad: bool = False,
) -> dict[str, Any]:
    """Scores the pairs that a CSV table names, writes all files, and returns the summary.

    Args:
        table: The table. Its column `estimate` may be empty if there are codecs.
        given: Codecs that convert the pairs, too.
        say: Told what was changed in files, or left out.
        skip_bad: Whether to leave out files that cannot be read, and pairs that need them.

    The other arguments are those of `evaluate_checkpoints`.

    Raises:
        InputError: If the table, a file or a checkpoint cannot be used.
    """
    given = given or PairCodecs()
    about = {"files": shown(table.name), "files_sha256": sha256_file(table) if table.is_file() else ""}
    rows = read_rows(table, estimates=not given.codecs)
    rows = usable_rows(table.parent, rows, skip_bad, say)
    return _evaluate_rows(rows, table.parent, about, seed, out, track, workers, crepe, given)


def evaluate_folder(
    folder: Path,
    pattern: str,
    roles: Mapping[str, str],
    seed: int,
    out: Path,
    say: Say,
    track: ProgressStarter,
    workers: int | None = None,
    crepe: bool = False,
    given: PairCodecs | None = None,
    skip_bad: bool = False,
) -> dict[str, Any]:
    """Scores the pairs in a folder, writes all files, and returns the summary.

    `pattern` and `roles` are those of `scan_folder`, `given` and `skip_bad` those of `evaluate_files`, the
    other arguments those of `evaluate_checkpoints`.

    Raises:
        InputError: If the folder, a file or a checkpoint cannot be used.
    """
    given = given or PairCodecs()
    rows, messages = scan_folder(folder, pattern, roles, estimates=not given.codecs)
    for message in messages:
        say(message)
    rows = usable_rows(folder, rows, skip_bad, say)
    about = {"folder": shown(folder.resolve().name), "pattern": pattern}
    return _evaluate_rows(rows, folder, about, seed, out, track, workers, crepe, given)


def _evaluate_rows(
    rows: Sequence[FileRow],
    folder: Path,
    about: dict[str, Any],
    seed: int,
    out: Path,
    track: ProgressStarter,
    workers: int | None,
    crepe: bool,
    given: PairCodecs,
) -> dict[str, Any]:
    taken = {row["method"] for row in rows if row["estimate"]}
    methods = given.methods()
    for method in methods:
        if method in taken or methods.count(method) > 1:
            other = "a system of the files" if method in taken else "two methods"
            raise InputError(f"--checkpoint: {method!r} names {other}; choose another by NAME=PATH")
    pairs = group_by_pair(rows)
    request = {
        "rows": [dict(row) for row in rows],
        "files": {name: _file_state(folder / name) for name in names_of(rows)},
    }
    jobs = file_trials(folder, pairs)
    if not given.codecs:
        return score_all(jobs, len(pairs), seed, about, request, out, track, workers, crepe)
    stated, pools = describe_checkpoints(given.checkpoints)
    about |= {**stated, "octave_told": given.octave_told}
    if given.octave_told:
        groups = [{told(name): own for name, own in group.items()} for group in pools.values()]
        pools = {**pools, **seed_groups(groups)}
    timer = ConversionTimer()
    converted = [partial(convert_given, job, given, timer) for job in jobs]
    summary = score_all(converted, len(pairs), seed, about, request, out, track, workers, crepe, pools)
    write_timings(timer, out)
    return summary


def names_of(rows: Sequence[FileRow]) -> list[str]:
    """Returns the names of all audio files of rows, sorted, each once."""
    columns = ("source", "reference", "target", "estimate")
    return sorted({row[column] for row in rows for column in columns if row[column]})


def usable_rows(folder: Path, rows: Sequence[FileRow], skip_bad: bool, say: Say) -> list[FileRow]:
    """Reads the files of rows through, and returns the rows whose files can be read.

    Args:
        folder: What the paths of the rows are relative to.
        rows: The rows.
        skip_bad: Whether to leave out a bad estimate, and all rows of a pair with another bad file.
        say: Told what was changed in files, or left out.

    Raises:
        InputErrors: Names all files that cannot be read, unless they are skipped.
        InputError: If no pair is left.
    """
    names = names_of(rows)
    bad: dict[str, str] = {}
    rates: dict[str, int] = {}
    remarks = Remarks()
    for name in names:
        try:
            rates[name], changes = check_audio(folder / name)
        except InputError as error:
            bad[name] = str(error)
        else:
            remarks.add(name, Counter(changes))
    for name, own, wanted in sorted(_resampled(rows, rates)):
        remarks.add(name, {f"{own} Hz, resampled to the target's {wanted} Hz": 1})
    for line in remarks.lines():
        say(line)
    settle_bad(list(bad.values()), len(names), skip_bad, say)
    kept = [row for row in rows if not bad.keys() & set(names_of([row]))]
    if bad:
        left = len(group_by_pair(rows)) - len(group_by_pair(kept))
        say(f"{left} of {len(group_by_pair(rows))} pairs left out with them")
    if not kept:
        raise InputError(f"{folder}: no pair is left whose files can be read")
    return kept


def _resampled(rows: Sequence[FileRow], rates: Mapping[str, int]) -> set[tuple[str, int, int]]:
    """Returns (name, its rate, the target's rate) of each file that differs from its target, rates in Hz."""
    return {
        (row[role], rates[row[role]], rates[row["target"]])
        for row in rows
        for role in ("source", "reference", "estimate")
        if rates.keys() >= {row[role], row["target"]} and rates[row[role]] != rates[row["target"]]
    }


def _file_state(path: Path) -> list[int]:
    """Returns size and modification time (ns) of a file, which change when it does."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
