"""Shard checks: hash and members of each tar, and with `deep` the samples of every clip."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from manifests.audit.findings import Finding, findings_of, guarded
from manifests.dataset.canonical import sha256_file
from manifests.dataset.layout import Layout, read_table, to_pandas
from manifests.dataset.storage import local_copy
from manifests.synthesis.compose import FULL_SCALE, pcm_sha256
from manifests.synthesis.compose import rms as rms_of
from manifests.types import InputError

RMS_TOLERANCE = 1e-9
MAX_DC, MAX_DC_OF_RMS = 10 ** (-60 / 20), 0.02
"""Largest DC offset at full scale 1, or as a share of the RMS: low notes that are cut have some."""
PLAYED_DC, PLAYED_DC_OF_RMS = 10 ** (-46 / 20), 0.06
"""The same where plugins play: a wave that is not symmetric and follows an envelope has some of its own."""
SILENT_RMS = 10 ** (-80 / 20)
SIDECAR_COLUMNS = ("key", "block", "timbre", "envelope", "phrase", "octave", "rate", "sustain", "attack_ms")


def shard_findings(
    layout: Layout, shards: pd.DataFrame, deep: bool, threads: int, played: bool = False
) -> Iterator[Finding]:
    """Checks the SHA-256 and the members of every tar that is there.

    Args:
        layout: The dataset's folder.
        shards: Rows of shards.parquet.
        deep: Whether to decode every clip and compare it with its row.
        threads: Shards that are read at a time.
        played: Whether plugins shaped the clips.
    """
    present = [row for row in shards.itertuples() if layout.inside(row.shard).exists()]

    def check(row: Any) -> list[Finding]:
        try:
            rows = to_pandas(read_table(layout.clip_table(row.shard), "clips"))
        except InputError:
            # Reported as a table that is missing or torn.
            return []
        with local_copy(layout.inside(row.shard)) as path:
            return list(guarded(row.shard, _shard_findings(path, row.shard, row.sha256, rows, deep, played)))

    with ThreadPoolExecutor(threads) as pool:
        yield from chain.from_iterable(pool.map(check, present))


def _shard_findings(
    path: Path, shard: str, sha256: str, rows: pd.DataFrame, deep: bool, played: bool
) -> Iterator[Finding]:
    """Checks one tar against its clip rows."""
    if sha256_file(path) != sha256:
        yield Finding("hash", shard, "its bytes are not those that were committed")
    try:
        members = _members(path)
    except (tarfile.TarError, EOFError, OSError) as error:
        yield Finding("tar", shard, f"torn or not a tar ({error})")
        return
    unsafe = [m.name for m in members if not m.isreg() or "/" in m.name or m.name.startswith(".")]
    yield from findings_of(
        "tar", ((shard, f"member {name!r} is not a plain file in the top folder") for name in unsafe)
    )
    expected = [f"{key}.{end}" for key in rows.sort_values("offset")["key"] for end in ("flac", "json")]
    names = [m.name for m in members]
    yield from findings_of(
        "tar", ((shard, f"{name} has no row") for name in sorted(set(names) - set(expected)))
    )
    yield from findings_of(
        "tar", ((shard, f"{name} is missing") for name in sorted(set(expected) - set(names)))
    )
    if names != expected:
        yield Finding("tar", shard, "members are not its rows in order")
        return
    places = {m.name: (m.offset_data, m.size) for m in members}
    moved = [row.key for row in rows.itertuples() if places[f"{row.key}.flac"] != (row.offset, row.length)]
    yield from findings_of("tar", ((key, "is not where its row says") for key in moved))
    if deep:
        with path.open("rb") as file:
            for row in rows.itertuples():
                yield from _clip_findings(file, row, places, played)


def _members(path: Path) -> list[tarfile.TarInfo]:
    """Lists the members of a tar; EOFError if it ends within one, tarfile.TarError if it is not a tar."""
    with tarfile.open(path, "r:") as tar:
        members = tar.getmembers()
    last = members[-1] if members else None
    if last is None or path.stat().st_size < last.offset_data + last.size:
        raise EOFError("ends in the middle of a member")
    return members


def _read(file: io.BufferedReader, place: tuple[int, int]) -> bytes:
    file.seek(place[0])
    return file.read(place[1])


def _clip_findings(
    file: io.BufferedReader, row: Any, places: dict[str, tuple[int, int]], played: bool
) -> Iterator[Finding]:
    """Decodes one clip and compares samples and sidecar with its row."""
    try:
        pcm, rate = soundfile.read(io.BytesIO(_read(file, places[f"{row.key}.flac"])), dtype="int16")
    except soundfile.LibsndfileError as error:
        yield Finding("audio", row.key, f"does not decode ({error})")
        return
    yield from (Finding("audio", row.key, what) for what in pcm_defects(pcm, rate, row, played))
    try:
        sidecar = json.loads(_read(file, places[f"{row.key}.json"]))
        differing = [name for name in SIDECAR_COLUMNS if sidecar.get(name) != getattr(row, name)]
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        differing = ["JSON"]
    if differing:
        yield Finding("sidecar", row.key, f"{', '.join(differing)} not as in its row")


def pcm_defects(pcm: np.ndarray, rate: int, row: Any, played: bool = False) -> Iterator[str]:
    """Describes each defect of a decoded clip.

    Args:
        pcm: Its samples, int16 [frames].
        rate: Its sample rate, Hz.
        row: Its row: `frames`, `rate`, `pcm_sha256`, `peak` and `rms` are compared.
        played: Whether a plugin shaped the clip.
    """
    if pcm.ndim != 1 or len(pcm) != row.frames or rate != row.rate:
        yield f"shape {pcm.shape} at {rate} Hz, its row says mono, {row.frames} at {row.rate}"
        return
    if pcm_sha256(pcm) != row.pcm_sha256:
        yield "its samples are not those of its row (PCM hash)"
    wide = pcm.astype(np.int64)
    peak, rms = int(np.abs(wide).max()), rms_of(pcm)
    if peak != row.peak:
        yield f"peak {peak}, its row says {row.peak}"
    if abs(rms - row.rms) > RMS_TOLERANCE:
        yield f"RMS {rms:.6f}, its row says {row.rms:.6f}"
    if rms < SILENT_RMS:
        yield f"silent: RMS {rms:.2e}"
    if int((np.abs(wide) >= FULL_SCALE).sum()) > 1:
        yield "clipped: more than one sample at full scale"
    limit, share = (PLAYED_DC, PLAYED_DC_OF_RMS) if played else (MAX_DC, MAX_DC_OF_RMS)
    if (dc := abs(float(wide.mean())) / FULL_SCALE) > max(limit, share * rms):
        yield f"DC offset {20 * np.log10(dc):.1f} dBFS"
