"""Trials from audio files: any system can be scored, whatever made its files.

Either a CSV table, a row an estimate, or a folder whose file names say which pair and which role or system
each file is: `{pair}_{system}.wav`, say. Both become the same rows.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from manifests.types import InputError, Note, Notes, check_notes
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
"""What the three roles are called in file names, where nothing else is said."""

AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")

Row = dict[str, str]


def read_rows(table: Path) -> list[Row]:
    """The rows of the CSV, paths relative to its folder; InputError names file, line and column."""
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
    missing = [column for column in COLUMNS if column not in header]
    unknown = [column for column in header if column not in COLUMNS + OPTIONAL]
    if missing or unknown:
        what = f"column {missing[0]!r} is missing" if missing else f"unknown column {unknown[0]!r}"
        raise InputError(f"{table}: {what}; expected {', '.join(COLUMNS)} and maybe {', '.join(OPTIONAL)}")
    if not rows:
        raise InputError(f"{table}: holds no rows; expected one for each estimate")
    seen: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(rows, start=2):
        _check_row(table, line, row)
        before = seen.setdefault((*_pair(row), row["method"]), line)
        if before != line:
            raise InputError(
                f"{table} line {line}: same pair and method as line {before}; give each its method"
            )
    return rows


def _check_row(table: Path, line: int, row: Row) -> None:
    """Completes a row of the table with what was left out; InputError where it cannot be used."""
    if None in row or None in row.values():
        raise InputError(f"{table} line {line}: expected as many fields as the header has")
    for column in (*COLUMNS, "notes", "source_notes"):
        name = row.get(column)
        if not name:
            if column in COLUMNS:
                raise InputError(f"{table} line {line}: column {column!r} is empty")
            continue
        if not (table.parent / name).is_file():
            raise InputError(f"{table} line {line}: {column} {name!r} is not a file")
    row["method"] = row.get("method") or ESTIMATE
    row["kind"] = row.get("kind") or "all"
    row["split"] = row.get("split") or "files"
    if not may_be_given(row["method"]):
        raise InputError(f"{table} line {line}: method {row['method']!r} is a name of ours; choose another")


def scan_folder(folder: Path, pattern: str, roles: Mapping[str, str]) -> tuple[list[Row], list[str]]:
    """The rows of a folder by its file names, and what is to be said of files that were left out.

    `pattern` holds `{pair}` and `{system}`, as in `{pair}_{system}.wav`; without a suffix, any audio file.
    `roles` says what `source`, `reference` and `target` are called in place of the usual names.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if sorted(re.findall(r"{(\w*)}", pattern)) != ["pair", "system"]:
        raise InputError(f"--pattern {pattern!r}: expected {{pair}} and {{system}} once each")
    expression = (
        re.escape(pattern).replace(r"\{pair\}", r"(?P<pair>.+?)").replace(r"\{system\}", r"(?P<system>.+)")
    )
    whole = re.compile(
        expression + ("" if Path(pattern).suffix else "(?:" + "|".join(map(re.escape, AUDIO)) + ")")
    )
    pairs: dict[str, dict[str, str]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        match = whole.fullmatch(name)
        if match:
            pairs.setdefault(match["pair"], {})[_role(match["system"], roles)] = name
    if not pairs:
        raise InputError(f"{folder}: no file is named like {pattern!r}; see --pattern")
    rows, said = [], []
    for pair, files in pairs.items():
        missing = [role for role in ROLES if role not in files]
        systems = [name for name in files if name not in ROLES]
        if missing:
            said.append(f"pair {pair!r}: left out, it has no {missing[0]}")
            continue
        for system in systems:
            if not may_be_given(system):
                raise InputError(f"{folder}/{files[system]}: {system!r} is a name of ours; choose another")
        if not systems:
            said.append(f"pair {pair!r}: no system made it; only the baselines are scored")
        for system in systems or [""]:
            estimate = files.get(system, "")
            rows.append(
                {**{role: files[role] for role in ROLES}, "estimate": estimate, "method": system}
                | {"kind": "both", "split": "files", "pair": pair}
            )
    if not rows:
        wanted = ", ".join(f"{role} ({' '.join(_names(role, roles))})" for role in ROLES)
        raise InputError(f"{folder}: no pair is whole; expected {wanted} for each; see --roles")
    return rows, said


def may_be_given(method: str) -> bool:
    """Whether files may be of this method: a system, or a topline but for the target itself."""
    return is_system(method) or (is_topline(method) and method != "target")


def _names(role: str, roles: Mapping[str, str]) -> tuple[str, ...]:
    return (roles[role],) if role in roles else ALIASES[role]


def _role(system: str, roles: Mapping[str, str]) -> str:
    """`source`, `reference` or `target` if a file is called so, else the system itself."""
    return next((role for role in ROLES if system in _names(role, roles)), system)


def parse_roles(text: str) -> dict[str, str]:
    """`source=orig,target=gt` as a dict; InputError if it is none."""
    roles = {}
    for part in filter(None, text.split(",")):
        role, _, name = part.partition("=")
        if role not in ROLES or not name:
            raise InputError(f"--roles {part!r}: expected source=NAME, reference=NAME or target=NAME")
        roles[role] = name
    return roles


def _pair(row: Row) -> tuple[str, ...]:
    return row["split"], row["kind"], row["source"], row["reference"], row["target"]


def pairs_of(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows grouped by what was converted by what: one group for each pair, one row for each method."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(_pair(row), []).append(row)
    return list(groups.values())


def file_trials(folder: Path, pairs: Sequence[list[Row]]) -> list[Callable[[], Trial]]:
    """Each pair as a trial yet to be made, all its methods together; paths are relative to `folder`."""
    return [partial(read_trial, folder, rows) for rows in pairs]


def read_notes(path: Path, seconds: float) -> Notes:
    """Sounding notes from a CSV `onset_s,duration_s,pitch[,velocity]`; InputError names file and line."""
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
    """A name for a recording by its samples: copies under two file names are one."""
    return hashlib.sha256(np.ascontiguousarray(audio, dtype="<f4").data).hexdigest()[:16]


def read_trial(folder: Path, rows: Sequence[Row]) -> Trial:
    """The trial of one pair, one row for each method.

    For the intervals, pairs with the same reference recording share a timbre, and those with the same
    source a phrase, unless columns say which clusters they are of. Files at another rate than the target's
    are resampled to it.
    """
    first = rows[0]
    target, rate = read_audio(folder / first["target"])

    def load(name: str) -> Audio:
        audio, found = read_audio(folder / name)
        return resample(audio, found, rate)

    truths = {}
    for role, column in (("target", "notes"), ("source", "source_notes")):
        if first.get(column):
            truths[role] = GroundTruth(read_notes(folder / first[column], len(target) / rate))
    source, reference = load(first["source"]), load(first["reference"])
    sounds = {row["method"]: load(row["estimate"]) for row in rows if row["estimate"]}
    named = first.get("pair") or f"{first['source']} {first['reference']} {first['target']}"
    return Trial(
        split=first["split"],
        kind=first["kind"],
        pair=f"{first['kind']} {named}",
        rate=rate,
        source=source,
        reference=reference,
        target=target,
        estimates={name: audio for name, audio in sounds.items() if not is_topline(name)},
        timbre_cluster=first.get("timbre_cluster") or _fingerprint(reference),
        phrase_cluster=first.get("phrase_cluster") or _fingerprint(source),
        names={
            **{role: first[role] for role in ROLES},
            **{row["method"]: row["estimate"] for row in rows if row["estimate"]},
        },
        truths=truths,
        toplines={name: audio for name, audio in sounds.items() if is_topline(name)},
        cases=tuple((first.get("cases") or "").split()),
    )
