"""Audit of a tone bank: files, tables, each tone once, as its row and its timbre describe it."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from manifests.audit.findings import Finding, Report, findings_of, guarded
from manifests.dataset.bank import COPIED, FADE, JSON, Bank
from manifests.dataset.bank_card import bank_card
from manifests.dataset.canonical import sha256_file
from manifests.dataset.layout import to_pandas
from manifests.dataset.storage import list_files, local_copy
from manifests.synthesis.recipe import RMS
from manifests.synthesis.recipe_parameters import is_altered
from manifests.types import InputError

RMS_TOLERANCE = 0.002
"""Allowed error of a tone's RMS."""


def audit_bank(bank: Bank, hashes: bool, say: Callable[[str], None]) -> Report:
    """Audits a tone bank.

    Args:
        bank: Its folder.
        hashes: Whether to read the tars and check every tone.
        say: Called with what is being checked.

    Raises:
        InputError: If the folder is not a bank, or the bank is not finished.
    """
    metadata = bank.metadata()
    report = Report(str(metadata.get("name")))
    say("tables")
    try:
        shards = to_pandas(bank.read("tone_shards"))
        named = {name: bank.read(name) for name in COPIED}
    except InputError as error:
        report.add("tables", "schemas", [Finding("table", str(bank.root), str(error))])
        return report
    timbres = to_pandas(named["timbres"])
    report.add("files", f"{len(shards)} shards", file_findings(bank, shards))
    report.add("card", "README.md", card_findings(bank, metadata, shards, timbres))
    tables: dict[str, pd.DataFrame] = {}
    report.add("tables", f"{len(shards)} tables of tones", table_findings(bank, shards, tables))
    count = sum(len(frame) for frame in tables.values())
    every = metadata["fingerprint_of"]["every"]
    checks = (
        side_findings(shards, timbres),
        coverage_findings(tables, timbres, every),
        row_findings(tables, shards),
    )
    report.add("tones", f"{count} tones", chain.from_iterable(guarded("tones", check) for check in checks))
    if hashes:
        say(f"{len(shards)} tars")
        report.add("audio", f"{len(shards)} tars", audio_findings(bank, shards, tables, timbres, every))
    return report


def file_findings(bank: Bank, shards: pd.DataFrame) -> Iterator[Finding]:
    """Checks that every file exists with its size, and that no other does."""
    expected = {JSON, "README.md", "tone_shards.parquet", *(f"{name}.parquet" for name in COPIED)}
    expected |= {name for shard in shards["shard"] for name in (shard, str(bank.tone_table(shard).name))}
    present = list_files(bank.root)
    yield from findings_of("missing", ((name, "is not there") for name in sorted(expected - present.keys())))
    yield from findings_of(
        "foreign", ((name, "does not belong to the bank") for name in sorted(present.keys() - expected))
    )
    for row in shards.itertuples():
        if present.get(row.shard, row.bytes) != row.bytes:
            yield Finding("size", row.shard, f"has {present[row.shard]} bytes, its row says {row.bytes}")


def card_findings(
    bank: Bank, metadata: dict[str, Any], shards: pd.DataFrame, timbres: pd.DataFrame
) -> Iterator[Finding]:
    """Checks that README.md is the card that follows from the tables."""
    expected = bank_card(metadata, shards.to_dict("records"), timbres.to_dict("records"))
    if bank.card.exists() and bank.card.read_text(encoding="utf-8").rstrip() != expected.rstrip():
        yield Finding("card", "README.md", "is not what follows from the tables")


def table_findings(bank: Bank, shards: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    """Checks that each table of tones is the one committed and commits this tar; puts it into `tables`."""
    for row in shards.itertuples():
        path = bank.tone_table(row.shard)
        if not path.exists():
            continue
        try:
            table = bank.tones(row.shard)
        except InputError as error:
            yield Finding("table", path.name, str(error))
            continue
        if sha256_file(path) != row.table_sha256:
            yield Finding("tone table", path.name, "is not the one that was committed")
        note = json.loads(table.schema.metadata[b"triptych_bank"])
        if note["sha256"] != row.sha256:
            yield Finding("tone table", path.name, "commits another tar than tone_shards.parquet names")
        tables[row.shard] = to_pandas(table)


def side_findings(shards: pd.DataFrame, timbres: pd.DataFrame) -> Iterator[Finding]:
    """Checks that each shard holds timbres of its side only, so that loading one side cannot leak another."""
    sides = dict(zip(timbres["timbre"], timbres["side"], strict=True))
    for row in shards.itertuples():
        wrong = [int(timbre) for timbre in row.timbres if sides.get(timbre) != row.side]
        yield from findings_of("leak", ((row.shard, f"timbre {t} is not of side {row.side}") for t in wrong))
    held = sorted(timbre for row in shards.itertuples() for timbre in row.timbres)
    if held != sorted(timbres["timbre"]):
        yield Finding("coverage", "tone_shards.parquet", "does not hold every timbre once")


def coverage_findings(
    tables: dict[str, pd.DataFrame], timbres: pd.DataFrame, every: int
) -> Iterator[Finding]:
    """Checks that each timbre has every `every`-th pitch of its range, once, in order."""
    ranges = {row.timbre: (row.lowest_pitch, row.highest_pitch) for row in timbres.itertuples()}
    for shard, frame in tables.items():
        for timbre, rows in frame.groupby("timbre", sort=False):
            low, high = ranges.get(timbre, (0, -1))
            if rows["pitch"].tolist() != list(range(low, high + 1, every)):
                yield Finding("coverage", shard, f"timbre {timbre} has other pitches than {low}..{high}")


def row_findings(tables: dict[str, pd.DataFrame], shards: pd.DataFrame) -> Iterator[Finding]:
    """Checks that tones lie inside their tar, scales are positive, and loops lie inside their tones."""
    sizes = dict(zip(shards["shard"], shards["bytes"], strict=True))
    for shard, frame in tables.items():
        outside = (frame["offset"] < 0) | (frame["offset"] + 2 * frame["frames"] > sizes[shard])
        scale = ~(np.isfinite(frame["scale"]) & (frame["scale"] > 0.0))
        loop = (
            (frame["loop_start"] < 0)
            | (frame["loop_start"] >= frame["loop_end"])
            | (frame["loop_end"] > frame["frames"])
        )
        for what, wrong in (
            ("lies outside its tar", outside),
            ("has a scale that is not a positive number", scale),
            ("has a loop that is not inside the tone", loop),
        ):
            for row in frame[wrong].itertuples():
                yield Finding("tone", shard, f"timbre {row.timbre}, pitch {row.pitch} {what}")


def audio_findings(
    bank: Bank, shards: pd.DataFrame, tables: dict[str, pd.DataFrame], timbres: pd.DataFrame, every: int
) -> Iterator[Finding]:
    """Checks the hash and members of every tar, and every tone (`tar_findings`)."""
    cast = dict(zip(timbres["timbre"], timbres["tones_sha256"], strict=True))
    altered = {row.timbre for row in timbres.itertuples() if is_altered(row.parameters)}
    for row in shards.itertuples():
        path = bank.inside(row.shard)
        if not path.exists() or row.shard not in tables:
            continue
        # A remote tar is read three times: from a copy.
        with local_copy(path) as copy:
            yield from tar_findings(copy, row, tables[row.shard], cast, altered, every)


def tar_findings(
    tar_path: Path, row: Any, tones: pd.DataFrame, cast: dict[int, str], altered: set[int], every: int
) -> Iterator[Finding]:
    """Checks one tar: its hash and members, the hash and level of every tone, and every timbre's tones.

    Args:
        tar_path: The tar, on this machine.
        row: Its row of tone_shards.parquet.
        tones: The rows of its tones.
        cast: By timbre, the SHA-256 of the tones that it was accepted with.
        altered: Timbres whose tones have an RMS of 0.1 together. Of the others each tone has.
        every: Step between the pitches that the bank keeps. `cast` and the level of altered timbres are about
            all pitches, so they are compared with a step of 1 only.
    """
    if sha256_file(tar_path) != row.sha256:
        yield Finding("hash", row.shard, "its bytes are not those that were committed")
        return
    with tarfile.open(tar_path, "r:") as tar:
        names = [member.name for member in tar.getmembers()]
    if names != [f"t{t:05d}.{end}" for t in row.timbres for end in ("json", "npy")]:
        yield Finding("tar", row.shard, "members are not its timbres in order")
    data = np.memmap(tar_path, dtype=np.uint8, mode="r")
    for timbre, rows in tones.groupby("timbre", sort=False):
        of_timbre, levels = sha256(), []
        for tone in rows.itertuples():
            samples = data[tone.offset : tone.offset + 2 * tone.frames].view("<i2")
            where = f"timbre {timbre}, pitch {tone.pitch}"
            if sha256(samples.tobytes()).hexdigest() != tone.sha256:
                yield Finding("tone", row.shard, f"{where}: its samples are not those of its row")
            own = samples[: tone.frames - FADE]
            levels.append(float(np.sqrt(np.mean(np.square(own, dtype=np.float64)))) * tone.scale)
            if timbre not in altered and abs(levels[-1] - RMS) > RMS_TOLERANCE:
                yield Finding("level", row.shard, f"{where}: RMS {levels[-1]:.4f}, expected {RMS}")
            of_timbre.update(own.tobytes())
        of_timbre.update(rows["scale"].to_numpy("<f4").tobytes())
        level = float(np.sqrt(np.mean(np.square(levels))))
        if timbre in altered and every == 1 and abs(level - RMS) > RMS_TOLERANCE:
            yield Finding("level", row.shard, f"timbre {timbre}: RMS {level:.4f}, expected {RMS}")
        if every == 1 and of_timbre.hexdigest() != cast[timbre]:
            yield Finding("tones", row.shard, f"timbre {timbre}: not the tones that it was accepted with")
