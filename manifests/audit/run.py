"""An audit from end to end: the cheap checks first, each tier on top of the one before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from manifests.audit.checks.bank import audit_bank
from manifests.audit.checks.completeness import coverage_findings, doubled_findings, join, leak_findings
from manifests.audit.checks.envelope import envelope_findings
from manifests.audit.checks.figures import figures
from manifests.audit.checks.folder import (
    card_findings,
    clip_table,
    column_findings,
    failure_findings,
    folder_findings,
    is_shard,
    metadata_findings,
    path_findings,
)
from manifests.audit.checks.leakage import alike_findings
from manifests.audit.checks.pitch import pitch_findings
from manifests.audit.checks.ranges import range_findings
from manifests.audit.checks.rerender import rerender_findings
from manifests.audit.checks.rows import Kept, RowChecks
from manifests.audit.checks.samples import shard_findings
from manifests.audit.findings import BROKEN, Finding, Report, guarded, reason
from manifests.audit.tables import Tables, cluster_findings, id_findings, load
from manifests.dataset.bank import Bank
from manifests.dataset.layout import Layout, read_table, to_pandas
from manifests.dataset.storage import is_local
from manifests.splits.seeds import permutation
from manifests.types import ClipId, InputError

HEARD = 48
"""How many clips a deep audit listens to, for their envelope and for their pitch."""
HEARD_SHARDS = 16
"""From how many shards they are drawn."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Tiers:
    """What an audit does besides the tables: hash the tars, decode every clip, make clips again.

    `audio` False: the folder holds the manifests alone, and that no shard is there is no finding.
    """

    hashes: bool = False
    deep: bool = False
    rerender: int = 0
    audio: bool = True


@dataclass(frozen=True, slots=True)
class Audited:
    """The report of an audit, and what it read on the way (None where a table could not be read)."""

    report: Report
    metadata: dict[str, Any]
    tables: Tables | None = None
    clips: Kept | None = None


def audit(layout: Layout, tiers: Tiers, say: Callable[[str], None]) -> Audited:
    """Audits a dataset folder or a bank; `say` gets the name of each check. InputError if it is neither."""
    if isinstance(layout, Bank):
        return Audited(audit_bank(layout, tiers.hashes or tiers.deep, say), layout.metadata())
    metadata = layout.metadata()
    report = Report(str(metadata.get("name")))
    say("tables")
    report.add("dataset.json", "fingerprint and config", metadata_findings(metadata))
    try:
        tables = load(layout, metadata.get("config"))
    except InputError as error:
        # Without its tables nothing else can be said: the first that cannot be read is the finding.
        report.add("tables", "schemas", [Finding("table", str(layout.root), str(error))])
        return Audited(report, metadata)
    report.add("paths", f"{len(tables.shards)} shards", path_findings(tables.shards))
    tables = replace(tables, shards=tables.shards[tables.shards["shard"].map(is_shard).astype(bool)])
    report.add("failures", "failures.parquet", failure_findings(layout))
    report.add("units", "columns and their units", column_findings(layout))
    report.add("files", f"{len(tables.shards)} shards", folder_findings(layout, tables.shards, tiers.audio))
    report.add("card", "README.md", card_findings(layout))
    report.add("ids", f"{len(tables.blocks)} blocks", id_findings(tables))
    clips = _clips(layout, tables, report, say)
    count = f"{len(clips.split)} clips"
    report.add("keys", count, doubled_findings(clips, tables))
    report.add("coverage", count, coverage_findings(clips, tables))
    report.add("ranges", "parameters against the config", range_findings(tables))
    leaks = (leak_findings(clips, tables), cluster_findings(tables), alike_findings(tables))
    report.add("leaks", count, chain.from_iterable(guarded("leaks", found) for found in leaks))
    try:
        report.figures = figures(clips, tables)
    except BROKEN as error:
        report.findings.append(Finding("malformed", "figures", f"cannot be taken: {reason(error)}"))
    if tiers.hashes or tiers.deep:
        say("shards" + (", every clip decoded" if tiers.deep else ""))
        looked = f"{len(tables.shards)} tars" + (f", {count} decoded" if tiers.deep else "")
        threads = os.cpu_count() or 1
        report.add("audio", looked, shard_findings(layout, tables.shards, tiers.deep, threads))
    seed = seed_of(metadata)
    if tiers.deep and not report.findings:
        say("envelopes, measured on the audio")
        sample = replace(tables, clips=_sample(layout, tables, seed))
        measured: list[str] = []
        wrong = list(guarded("envelopes", envelope_findings(layout, sample, HEARD, seed, measured)))
        report.add("envelopes heard", measured[0] if measured else "none", wrong)
        say("pitches, heard")
        heard: list[str] = []
        wrong = list(guarded("pitches", pitch_findings(layout, sample, HEARD, seed, heard)))
        report.add("pitches heard", heard[0] if heard else "none", wrong)
    if tiers.rerender:
        if not is_local(layout.root):
            raise InputError(f"{layout.root}: --rerender needs the dataset on this machine")
        say(f"{tiers.rerender} clips, made again")
        chosen = permutation(seed, len(clips.split), "rerender")[: tiers.rerender]
        keys = [ClipId(*map(int, clips.ids[i])).key for i in sorted(chosen)]
        made: list[str] = []
        wrong = list(guarded("made again", rerender_findings(layout, keys, made)))
        report.add("made again", made[0] if made else "none", wrong)
    return Audited(report, metadata, tables, clips)


def seed_of(metadata: dict[str, Any]) -> int:
    """The seed that samples are drawn with: the dataset's, 0 where it has none."""
    seed = metadata.get("seed")
    return seed if isinstance(seed, int) else 0


def _clips(layout: Layout, tables: Tables, report: Report, say: Callable[[str], None]) -> Kept:
    """Checks every clip table, one at a time, while the next ones are read; returns what is remembered."""
    kept: list[Kept] = []

    def check(checks: RowChecks, shard: str, table: pa.Table) -> Iterator[Finding]:
        wrong, remembered = checks(shard, table)
        kept.append(remembered)
        yield from wrong

    def findings(pool: ThreadPoolExecutor) -> Iterator[Finding]:
        checks = RowChecks(tables)
        rows = list(tables.shards.itertuples())
        done = 0
        for row, (found, table) in zip(
            rows, ahead(pool, lambda row: clip_table(layout, row), rows), strict=True
        ):
            yield from found
            if table is not None:
                done += table.num_rows
                yield from guarded(row.shard, check(checks, row.shard, table))
            say(f"clip rows, {done}")

    with ThreadPoolExecutor(2 if is_local(layout.root) else 16) as pool:
        report.add("clip rows", f"{len(tables.shards)} clip tables", findings(pool))
    return join(kept)


def ahead(
    pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], window: int = 16
) -> Iterator[R]:
    """The results of `work` in order, at most `window` of them begun before they are taken."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) == window:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _sample(layout: Layout, tables: Tables, seed: int) -> pd.DataFrame:
    """The rows of a few shards, drawn by `seed`."""
    chosen = sorted(permutation(seed, len(tables.shards), "heard shards")[:HEARD_SHARDS])
    paths = [layout.clip_table(tables.shards["shard"].iat[int(i)]) for i in chosen]
    return pd.concat([to_pandas(read_table(path, "clips")) for path in paths], ignore_index=True)
