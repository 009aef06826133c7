"""Fetches single clips from shards by byte offset and length, without reading the rest.

A clip's PCM hash is checked against its row before it is written.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import soundfile

from manifests.dataset import files
from manifests.dataset.layout import TableFolder, to_table, write_table
from manifests.dataset.query import query
from manifests.dataset.storage import read_range
from manifests.listing import visible
from manifests.synthesis.compose import pcm_sha256
from manifests.types import ClipId, InputError

ROWS = "clips.parquet"
THREADS = 8
"""Concurrent range requests: a remote store is slow per request but serves many at once."""


def fetch(layout: TableFolder, where: str, out: Path, track: Callable[[int], Callable[[], Any]]) -> int:
    """Writes the clips that meet an SQL condition to `out` as KEY.flac, and their rows as clips.parquet.

    `clips.parquet` is written last and marks the folder as complete; repeat an interrupted fetch to finish
    it. `track(count)` returns a function to call after each clip. Returns the number of clips. Raises
    InputError if the condition is invalid or matches nothing, a shard is missing, a clip differs from its
    row, or `out` holds other files.
    """
    rows = query(layout, f'SELECT * FROM clips WHERE ({where}\n) ORDER BY shard, "offset"').to_dict("records")
    if not rows:
        raise InputError(f"fetch: no clip of {layout.root} meets the condition {where!r}")
    for row in rows:
        # The key becomes a file name, so it must be well-formed.
        ClipId.parse(row["key"])
    _check_folder(out, {f"{row['key']}.flac" for row in rows})

    def one(row: dict[str, Any]) -> None:
        data = clip_bytes(layout, row)
        _check(data, row)
        files.replace(out / f"{row['key']}.flac", data)

    done = track(len(rows))
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for _ in pool.map(one, rows):
                done()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    write_table(out / ROWS, to_table("clips", [{k: _plain(v) for k, v in row.items()} for row in rows]))
    return len(rows)


def _plain(value: Any) -> Any:
    """Converts a pandas value for Arrow: a missing value becomes None."""
    return None if value is None or value != value else value


def clip_bytes(layout: TableFolder, row: Any) -> bytes:
    """Reads a clip's FLAC file by its row; raises InputError if the shard is missing."""
    try:
        return read_range(layout.inside(row["shard"]), int(row["offset"]), int(row["length"]))
    except FileNotFoundError:
        raise InputError(f"clip {row['key']}: its shard {row['shard']} is not in {layout.root}") from None


def _check_folder(out: Path, names: set[str]) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; expected a folder to put the clips in")
    present = set(visible(path.name for path in out.iterdir())) if out.exists() else set()
    if foreign := sorted(present - names - {ROWS}):
        raise InputError(f"{out}: holds {foreign[0]!r}, which is not among these clips; use another folder")
    (out / ROWS).unlink(missing_ok=True)


def _check(data: bytes, row: dict[str, Any]) -> None:
    try:
        pcm, _ = soundfile.read(io.BytesIO(data), dtype="int16")
        right = pcm.ndim == 1 and pcm_sha256(pcm) == row["pcm_sha256"]
    except soundfile.LibsndfileError:
        right = False
    if not right:
        raise InputError(
            f"clip {row['key']}: {row['shard']} does not hold it at byte {row['offset']};"
            " `python -m manifests audit --deep` says what else is wrong"
        )
