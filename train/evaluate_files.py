"""Trials from a table of audio files: any system can be scored, whatever made its files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from manifests.vocabulary import BadInput
from train.audio import read_audio, resample
from train.evaluate import BASELINES, ESTIMATE, Audio, Job, Trial

RESERVED = (*BASELINES, "source", "reference", "target")
COLUMNS = ("source", "reference", "target", "estimate")
OPTIONAL = ("method", "kind", "split")


def read_rows(table: Path) -> list[dict[str, str]]:
    """The rows of the CSV, paths made absolute from its folder; BadInput names file, line and column."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or [])
            rows = list(reader)
    except FileNotFoundError:
        raise BadInput(f"{table}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{table}: not a CSV table in UTF-8 ({error})") from None
    missing = [column for column in COLUMNS if column not in header]
    unknown = [column for column in header if column not in COLUMNS + OPTIONAL]
    if missing or unknown:
        what = f"column {missing[0]!r} is missing" if missing else f"unknown column {unknown[0]!r}"
        raise BadInput(f"{table}: {what}; expected {', '.join(COLUMNS)} and maybe {', '.join(OPTIONAL)}")
    if not rows:
        raise BadInput(f"{table}: holds no rows; expected one for each estimate")
    seen: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(rows, start=2):
        for column in COLUMNS:
            if not row[column]:
                raise BadInput(f"{table} line {line}: column {column!r} is empty")
            path = table.parent / row[column]
            if not path.is_file():
                raise BadInput(f"{table} line {line}: {column} {row[column]!r} is not a file")
        row["method"] = row.get("method") or ESTIMATE
        row["kind"] = row.get("kind") or "all"
        row["split"] = row.get("split") or "files"
        if row["method"] in RESERVED:
            raise BadInput(f"{table} line {line}: method {row['method']!r} is a name of ours; choose another")
        before = seen.setdefault((*_pair(row), row["method"]), line)
        if before != line:
            raise BadInput(
                f"{table} line {line}: same pair and method as line {before}; give each its method"
            )
    return rows


def _pair(row: dict[str, str]) -> tuple[str, ...]:
    return row["split"], row["kind"], row["source"], row["reference"], row["target"]


def pairs_of(rows: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    """The rows grouped by what was converted by what: one group for each pair, one row for each method."""
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(_pair(row), []).append(row)
    return list(groups.values())


def file_trials(table: Path, pairs: list[list[dict[str, str]]]) -> Iterator[Job]:
    """Each pair as a trial yet to be made, all its methods together."""
    for rows in pairs:
        yield partial(read_trial, table.parent, rows)


def read_trial(folder: Path, rows: list[dict[str, str]]) -> Trial:
    """The trial of one pair, one row for each method.

    For the intervals, pairs with the same reference file share a timbre, and those with the same source
    file a phrase. Files at another rate than the target's are resampled to it.
    """
    first = rows[0]
    target, rate = read_audio(folder / first["target"])

    def load(name: str) -> Audio:
        audio, found = read_audio(folder / name)
        return resample(audio, found, rate)

    return Trial(
        split=first["split"],
        kind=first["kind"],
        pair=f"{first['kind']} {first['source']} {first['reference']} {first['target']}",
        source=load(first["source"]),
        reference=load(first["reference"]),
        target=target,
        estimates={row["method"]: load(row["estimate"]) for row in rows},
        timbre_cluster=first["reference"],
        phrase_cluster=first["source"],
        names={
            **{column: first[column] for column in ("source", "reference", "target")},
            **{row["method"]: row["estimate"] for row in rows},
        },
    )
