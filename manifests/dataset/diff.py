"""Compares two datasets: config, fingerprint, ids and their values, rows, audio.

Ids are compared by number, clips by their three ids. Datasets of one plan therefore match in any order of
blocks. Datasets of different plans differ in the config first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from manifests.dataset.canonical import differences
from manifests.dataset.layout import TableFolder, to_pandas
from manifests.dataset.query import clip_tables_of, connect, rows
from manifests.dataset.schema import CLIPS, TABLES

SHOWN = 8
"""Differences of one kind that are listed; the rest are counted."""
_CELL = ("timbre", "envelope", "phrase")
AUDIO = ("pcm_sha256", "peak", "rms", "gain")
_PLACE = ("shard", "offset", "length", "block", "key")


@dataclass(frozen=True, slots=True)
class Difference:
    """A compared layer: what was compared, and a line for each difference of A and B."""

    layer: str
    looked_at: str
    lines: list[str]


def diff(a: TableFolder, b: TableFolder) -> list[Difference]:
    """Compares all layers from config to PCM; a layer without `lines` is equal in A and B.

    Raises InputError if a folder is no dataset, or duckdb is not installed.

    Example: `[layer.layer for layer in diff(Layout(a), Layout(b)) if layer.lines]`.
    """
    ours, theirs = a.metadata(), b.metadata()
    layers = [
        Difference("config", "dataset.json", _few(differences(ours.get("config"), theirs.get("config")))),
        Difference(
            "fingerprint",
            "what is audible or structural",
            _few(differences(ours.get("fingerprint_of"), theirs.get("fingerprint_of"))),
        ),
        Difference(
            "made on", "platform class", _few(differences(ours.get("platform"), theirs.get("platform")))
        ),
    ]
    for name in ("timbres", "envelopes", "phrases"):
        if a.table(name).exists() and b.table(name).exists():
            layers.append(_ids(name, a, b))
    return [*layers, *_clips(a, b)]


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"… and {len(lines) - SHOWN} more"]


def _ids(name: str, a: TableFolder, b: TableFolder) -> Difference:
    """Compares two tables of ids row by row: counts differing rows per column, and names the first."""
    one, other = (to_pandas(layout.read(name)).to_dict("records") for layout in (a, b))
    lines = [] if len(one) == len(other) else [f"{len(one)} != {len(other)} rows"]
    for column in (column.name for column in TABLES[name]):
        wrong = [
            (place, differences(_plain(x[column]), _plain(y[column]), column))
            for place, (x, y) in enumerate(zip(one, other, strict=False))
        ]
        wrong = [(place, changes) for place, changes in wrong if changes]
        if wrong:
            place, changes = wrong[0]
            lines.append(f"{column}: {len(wrong)} rows differ, first {name[:-1]} {place}: {changes[0]}")
    return Difference(name, f"{len(one)} and {len(other)} rows", lines)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.hex()
    return value


def _clips(a: TableFolder, b: TableFolder) -> list[Difference]:
    """Compares rows and PCM hashes of clips in both, counts clips in one only; reads tables alone."""
    if not (clip_tables_of(a) and clip_tables_of(b)):
        there = [bool(clip_tables_of(layout)) for layout in (a, b)]
        lines = [] if there[0] == there[1] else [f"only {'A' if there[0] else 'B'} has clips yet"]
        return [Difference("clips", "none", lines)]
    connection = connect({"a_": a, "b_": b})
    names = [column.name for column in CLIPS if column.name not in _CELL]
    differing = ", ".join(
        f'count(*) FILTER (WHERE a."{n}" IS DISTINCT FROM b."{n}") AS "{n}",'
        f' min(a.key) FILTER (WHERE a."{n}" IS DISTINCT FROM b."{n}") AS "{n}_first"'
        for n in names
    )
    on = "a_clips a {} JOIN b_clips b USING (timbre, envelope, phrase)"
    both = rows(connection, f"SELECT count(*) AS n, {differing} FROM {on.format('')}").iloc[0]
    only = rows(
        connection,
        f"SELECT count(*) FILTER (WHERE b.key IS NULL) AS a, count(*) FILTER (WHERE a.key IS NULL) AS b"
        f" FROM {on.format('FULL')}",
    ).iloc[0]

    def lines_of(columns: list[str]) -> list[str]:
        return [f"{n}: {both[n]} clips differ, first {both[f'{n}_first']}" for n in columns if both[n]]

    apart = [f"{only[side]} clips only in {side.upper()}" for side in ("a", "b") if only[side]]
    place = [n for n in names if n in _PLACE]
    values = [n for n in names if n not in (*_PLACE, *AUDIO)]
    compared = f"{both['n']} clips in both"
    return [
        Difference("clips", f"{both['n'] + only['a']} and {both['n'] + only['b']} clips", apart),
        Difference("values", compared, lines_of(values)),
        Difference("places", compared, lines_of(place)),
        Difference("audio", compared, lines_of(list(AUDIO))),
    ]
