"""Trials from audio files, whatever system made them.

Either a CSV table names them, a row for each estimate, or a folder whose file names hold pair and role or
system, such as `{pair}_{system}.wav`. Both become the same rows.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from manifests.listing import list_folder, say_passed_over
from manifests.types import InputError, Note, Notes, check_notes, shown
from train.audio.files import read_audio
from train.audio.resampling import resample
from train.evaluation.trial import ESTIMATE, Audio, Trial, is_system, is_topline
from train.metrics.measurement import GroundTruth

ROLES = ("source", "reference", "target")
COLUMNS = (*ROLES, "estimate")
OPTIONAL = ("method", "kind", "split", "notes", "source_notes", "cases", "timbre_cluster", "phrase_cluster")
ALIASES = {
    "source": ("source", "src", "orig", "original", "content"),
    "reference": ("reference", "ref", "style"),
    "target": ("target", "gt", "truth"),
}
"""Names of the three roles in file names, unless `--roles` gives others."""

AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")

FileRow = dict[str, str]
"""The files of one estimate: the columns of `COLUMNS` and `OPTIONAL`, and the pair's name, if it has one."""


def read_rows(table: Path, estimates: bool = True) -> list[FileRow]:
    """Reads the rows of a CSV table; its paths are relative to its folder.

    Without `estimates`, the column `estimate` may be absent or empty: codecs convert the pairs.

    Raises:
        InputError: Names file, line and column.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or [])
            rows = list(reader)
    except FileNotFoundError:
        raise InputError(f"{table}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{table}: a folder; give it with --folder") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: not a CSV table in UTF-8 ({error})") from None
    needed = COLUMNS if estimates else ROLES
    missing = [column for column in needed if column not in header]
    unknown = [column for column in header if column not in COLUMNS + OPTIONAL]
    if missing or unknown:
        what = f"column {missing[0]!r} is missing" if missing else f"unknown column {unknown[0]!r}"
        raise InputError(f"{table}: {what}; expected {', '.join(needed)} and maybe {', '.join(OPTIONAL)}")
    if not rows:
        raise InputError(f"{table}: holds no rows; expected one for each estimate")
    seen: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(rows, start=2):
        _check_row(table, line, row, needed)
        first = seen.setdefault((*_pair(row), row["method"]), line)
        if first != line:
            raise InputError(
                f"{table} line {line}: same pair and method as line {first}; give each its method"
            )
    return rows


def _check_row(table: Path, line: int, row: FileRow, needed: Sequence[str]) -> None:
    """Checks a row of the table, whose columns `needed` may not be empty, and fills in its defaults."""
    if None in row or None in row.values():
        raise InputError(f"{table} line {line}: expected as many fields as the header has")
    for column in (*COLUMNS, "notes", "source_notes"):
        name = row.get(column)
        if not name:
            if column in needed:
                raise InputError(f"{table} line {line}: column {column!r} is empty")
            continue
        if not (table.parent / name).is_file():
            raise InputError(f"{table} line {line}: {column} {name!r} is not a file")
    row["estimate"] = row.get("estimate") or ""
    row["method"] = row.get("method") or ESTIMATE
    row["kind"] = row.get("kind") or "all"
    row["split"] = row.get("split") or "files"
    if not is_accepted_method(row["method"]):
        reserved = f"method {row['method']!r} is the name of a baseline or topline; choose another"
        raise InputError(f"{table} line {line}: {reserved}")


def scan_folder(
    folder: Path, pattern: str, roles: Mapping[str, str], estimates: bool = True
) -> tuple[list[FileRow], list[str]]:
    """Makes rows of a folder's files by their names.

    Args:
        folder: The folder; subfolders are searched, too.
        pattern: Names of files with `{pair}` and `{system}`, as in `{pair}_{system}.wav`. Without a suffix it
            matches any audio file.
        roles: Names of source, reference and target that replace the usual ones (`ALIASES`).
        estimates: Whether to say which pairs no system converted; not if codecs will convert them.

    Returns:
        The rows, and messages about pairs that are incomplete.

    Raises:
        InputError: If no file matches, no pair is complete, or a system has a reserved name.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if sorted(re.findall(r"{(\w*)}", pattern)) != ["pair", "system"]:
        raise InputError(f"--pattern {pattern!r}: expected {{pair}} and {{system}} once each")
    expression = (
        re.escape(pattern).replace(r"\{pair\}", r"(?P<pair>.+?)").replace(r"\{system\}", r"(?P<system>.+)")
    )
    # Endings may be in capitals.
    suffix = Path(pattern).suffix
    stem = expression.removesuffix(re.escape(suffix)) if suffix else expression
    endings = [suffix] if suffix else AUDIO
    name_pattern = re.compile(f"{stem}(?i:{'|'.join(map(re.escape, endings))})")
    pairs: dict[str, dict[str, str]] = {}
    messages: list[str] = []
    listing, taken = list_folder(folder), []
    for path in listing.files:
        name = path.relative_to(folder).as_posix()
        if (match := name_pattern.fullmatch(name)) is None:
            continue
        taken.append(path)
        role = shown(_role(match["system"], roles))
        first = pairs.setdefault(shown(match["pair"]), {}).setdefault(role, name)
        if first != name:
            messages.append(f"{folder}/{name}: left out, since {first} has the same pair and role or system")
    messages += listing.unread
    say_passed_over(folder, listing, taken, messages.append)
    if not pairs:
        raise InputError(f"{folder}: no file is named like {pattern!r}; see --pattern")
    rows = []
    for pair, files in pairs.items():
        missing = [role for role in ROLES if role not in files]
        systems = [name for name in files if name not in ROLES]
        if missing:
            messages.append(f"pair {pair!r}: left out, since it has no {missing[0]}")
            continue
        for system in systems:
            if not is_accepted_method(system):
                reserved = f"{system!r} is the name of a baseline or topline; choose another"
                raise InputError(f"{folder}/{files[system]}: {reserved}")
        if estimates and not systems:
            messages.append(f"pair {pair!r}: no system converted it; only the baselines are scored")
        for system in systems or [""]:
            estimate = files.get(system, "")
            rows.append(
                {**{role: files[role] for role in ROLES}, "estimate": estimate, "method": system}
                | {"kind": "both", "split": "files", "pair": pair}
            )
    if not rows:
        wanted = ", ".join(f"{role} ({' '.join(_names(role, roles))})" for role in ROLES)
        raise InputError(f"{folder}: no pair is complete; expected {wanted} for each; see --roles")
    return rows, messages


def is_accepted_method(method: str) -> bool:
    """Returns whether files may have this method: a system, or a topline other than the target itself."""
    return is_system(method) or (is_topline(method) and method != "target")


def _names(role: str, roles: Mapping[str, str]) -> tuple[str, ...]:
    return (roles[role],) if role in roles else ALIASES[role]


def _role(system: str, roles: Mapping[str, str]) -> str:
    """Returns the role that a file's name stands for, else the name: that of a system."""
    return next((role for role in ROLES if system in _names(role, roles)), system)


def parse_roles(text: str) -> dict[str, str]:
    """Parses `source=orig,target=gt`.

    Raises:
        InputError: If a part is not ROLE=NAME.
    """
    roles = {}
    for part in filter(None, text.split(",")):
        role, _, name = part.partition("=")
        if role not in ROLES or not name:
            raise InputError(f"--roles {part!r}: expected source=NAME, reference=NAME or target=NAME")
        roles[role] = name
    return roles


def _pair(row: FileRow) -> tuple[str, ...]:
    return row["split"], row["kind"], row["source"], row["reference"], row["target"]


def group_by_pair(rows: Sequence[FileRow]) -> list[list[FileRow]]:
    """Groups rows by pair; each group has a row for each method."""
    groups: dict[tuple[str, ...], list[FileRow]] = {}
    for row in rows:
        groups.setdefault(_pair(row), []).append(row)
    return list(groups.values())


def file_trials(folder: Path, pairs: Sequence[list[FileRow]]) -> list[Callable[[], Trial]]:
    """Makes a job for each pair, with all its methods; paths are relative to `folder`."""
    return [partial(read_trial, folder, rows) for rows in pairs]


def read_notes(path: Path, seconds: float) -> Notes:
    """Reads notes, as they sound, from a CSV file with columns `onset_s,duration_s,pitch[,velocity]`.

    Args:
        path: The file.
        seconds: Length of the recording.

    Raises:
        InputError: Names file and line, or the note that does not fit.
    """
    notes = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line, row in enumerate(csv.DictReader(file), start=2):
                try:
                    values = float(row["onset_s"]), float(row["duration_s"])
                    notes.append(Note(*values, int(row["pitch"]), int(row.get("velocity") or 100)))
                except (KeyError, TypeError, ValueError):
                    raise InputError(
                        f"{path} line {line}: expected numbers for onset_s, duration_s, pitch (and velocity)"
                    ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV table in UTF-8 ({error})") from None
    try:
        return check_notes(notes, seconds)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _fingerprint(audio: Audio) -> str:
    """Hashes the samples of a recording, so that copies under two names share a cluster."""
    return hashlib.sha256(np.ascontiguousarray(audio, dtype="<f4").data).hexdigest()[:16]


def read_trial(folder: Path, rows: Sequence[FileRow]) -> Trial:
    """Reads the trial of one pair.

    For the intervals, pairs with equal reference recordings share a timbre cluster, and those with equal
    targets a phrase cluster, unless columns name the clusters. Audio is resampled to the target's rate.

    Args:
        folder: What the paths of the rows are relative to.
        rows: One row for each method.

    Raises:
        InputError: If a file cannot be read.
    """
    first = rows[0]
    target, rate = read_audio(folder / first["target"])

    def load(name: str) -> Audio:
        audio, own_rate = read_audio(folder / name)
        return resample(audio, own_rate, rate)

    truths = {}
    for role, column in (("target", "notes"), ("source", "source_notes")):
        if first.get(column):
            truths[role] = GroundTruth(read_notes(folder / first[column], len(target) / rate))
    source, reference = load(first["source"]), load(first["reference"])
    sounds = {row["method"]: load(row["estimate"]) for row in rows if row["estimate"]}
    name = first.get("pair") or " ".join(first[role] for role in ROLES)
    return Trial(
        split=first["split"],
        kind=first["kind"],
        pair=f"{first['kind']} {name}",
        rate=rate,
        source=source,
        reference=reference,
        target=target,
        estimates={name: audio for name, audio in sounds.items() if not is_topline(name)},
        timbre_cluster=first.get("timbre_cluster") or _fingerprint(reference),
        phrase_cluster=first.get("phrase_cluster") or _fingerprint(target),
        names={
            **{role: shown(first[role]) for role in ROLES},
            **{row["method"]: shown(row["estimate"]) for row in rows if row["estimate"]},
        },
        truths=truths,
        toplines={name: audio for name, audio in sounds.items() if is_topline(name)},
        cases=tuple((first.get("cases") or "").split()),
        target_id=_fingerprint(target),
    )
