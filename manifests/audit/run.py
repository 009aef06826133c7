"""Audit of a dataset folder or a tone bank, from end to end: cheap checks first."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from manifests.audit.checks.bank import audit_bank
from manifests.audit.checks.completeness import concatenate, coverage_findings, duplicate_findings
from manifests.audit.checks.envelope import envelope_findings
from manifests.audit.checks.figures import figures_by_split
from manifests.audit.checks.folder import (
    card_findings,
    clip_table,
    column_findings,
    failure_findings,
    folder_findings,
    metadata_findings,
    path_findings,
)
from manifests.audit.checks.labels import label_findings
from manifests.audit.checks.leakage import (
    cluster_leak_findings,
    id_leak_findings,
    similarity_leak_findings,
)
from manifests.audit.checks.onsets import onset_findings
from manifests.audit.checks.pitch import pitch_findings
from manifests.audit.checks.ranges import range_findings
from manifests.audit.checks.rerender import rerender_findings
from manifests.audit.checks.rows import ClipColumns, RowChecks
from manifests.audit.checks.samples import shard_findings
from manifests.audit.findings import DATA_ERRORS, Finding, Report, error_line, guarded
from manifests.audit.tables import Tables, id_findings, load_tables
from manifests.dataset.bank import Bank
from manifests.dataset.layout import Layout, is_shard, read_table, to_pandas
from manifests.dataset.rows import measured_envelopes
from manifests.dataset.storage import is_local
from manifests.splits.seeds import permutation
from manifests.types import ClipId, InputError

MEASURED_CLIPS = 48
"""Clips whose envelope, and clips whose pitch, a deep audit measures."""
MEASURED_SHARDS = 16
"""Shards that those clips are chosen from."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What an audit does besides checking the tables."""

    hashes: bool = False
    """Read the tars; check their SHA-256 and members."""
    deep: bool = False
    """Also decode every clip, and measure envelopes and pitches of some."""
    rerender: int = 0
    """Number of random clips to render again."""
    audio: bool = True
    """False for a folder that holds the manifests alone: missing shards are no finding."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The report of an audit, and what it read: tables and clips are None where a table is unreadable."""

    report: Report
    metadata: dict[str, Any]
    tables: Tables | None = None
    clips: ClipColumns | None = None


def audit(layout: Layout | Bank, options: AuditOptions, say: Callable[[str], None]) -> AuditResult:
    """Audits a dataset folder or a tone bank.

    Args:
        layout: The folder.
        options: What to check besides the tables.
        say: Called with what is being checked.

    Raises:
        InputError: If the folder is neither, or `options.rerender` is set and it is not on this machine.

    Example: `audit(Layout(Path("dataset")), AuditOptions(hashes=True), print).report.passed`.
    """
    if isinstance(layout, Bank):
        return AuditResult(audit_bank(layout, options.hashes or options.deep, say), layout.metadata())
    metadata = layout.metadata()
    report = Report(str(metadata.get("name")))
    say("tables")
    report.add("dataset.json", "fingerprint and config", metadata_findings(metadata))
    try:
        tables = load_tables(layout, metadata.get("config"))
    except InputError as error:
        # No other check works without the tables: the first unreadable one is the finding.
        report.add("tables", "schemas", [Finding("table", str(layout.root), str(error))])
        return AuditResult(report, metadata)
    report.add("paths", f"{len(tables.shards)} shards", path_findings(tables.shards))
    tables = replace(tables, shards=tables.shards[tables.shards["shard"].map(is_shard).astype(bool)])
    report.add("failures", "failures.parquet", failure_findings(layout))
    report.add("units", "columns and their units", column_findings(layout))
    report.add(
        "files",
        f"{len(tables.shards)} shards",
        folder_findings(layout, tables.shards, tables.timbres, options.audio),
    )
    report.add("card", "README.md", card_findings(layout))
    report.add("ids", f"{len(tables.blocks)} blocks", id_findings(tables))
    clips = _clips(layout, tables, report, say)
    count = f"{len(clips.split)} clips"
    report.add("keys", count, duplicate_findings(clips, tables))
    report.add("coverage", count, coverage_findings(clips, tables))
    report.add("ranges", "parameters against the config", range_findings(tables))
    _add_measured(report, "labels", partial(label_findings, layout, tables))
    leaks = (
        id_leak_findings(clips, tables),
        cluster_leak_findings(tables),
        similarity_leak_findings(tables),
    )
    report.add("leaks", count, chain.from_iterable(guarded("leaks", check) for check in leaks))
    try:
        report.figures = figures_by_split(clips, tables)
    except DATA_ERRORS as error:
        report.findings.append(Finding("malformed", "figures", f"cannot be computed: {error_line(error)}"))
    if options.hashes or options.deep:
        say("shards" + (", every clip decoded" if options.deep else ""))
        looked_at = f"{len(tables.shards)} tars" + (f", {count} decoded" if options.deep else "")
        threads = os.cpu_count() or 1
        played = tables.config.get("shaping") == "plugin"
        report.add("audio", looked_at, shard_findings(layout, tables.shards, options.deep, threads, played))
    seed = seed_of(metadata)
    if options.deep and not report.findings:
        say("envelopes measured on the audio")
        sample = replace(tables, clips=_sample(layout, tables, seed))
        _add_measured(
            report, "envelopes heard", partial(envelope_findings, layout, sample, MEASURED_CLIPS, seed)
        )
        say("onsets measured on the audio")
        _add_measured(report, "onsets heard", partial(onset_findings, layout, sample, MEASURED_CLIPS, seed))
        say("pitches measured on the audio")
        _add_measured(report, "pitches heard", partial(pitch_findings, layout, sample, MEASURED_CLIPS, seed))
    if options.rerender:
        if not is_local(layout.root):
            raise InputError(f"{layout.root}: --rerender needs the dataset on this machine")
        say(f"{options.rerender} clips made again")
        chosen = permutation(seed, len(clips.split), "rerender")[: options.rerender]
        keys = [ClipId(*map(int, clips.ids[i])).key for i in sorted(chosen)]
        _add_measured(report, "made again", partial(rerender_findings, layout, keys))
    return AuditResult(report, metadata, tables, clips)


def _add_measured(report: Report, check: str, findings: Callable[[list[str]], Iterator[Finding]]) -> None:
    """Runs a check that reports what it looked at, and adds it to the report."""
    looked_at: list[str] = []
    defects = list(guarded(check, findings(looked_at)))
    report.add(check, looked_at[0] if looked_at else "none", defects)


def seed_of(metadata: dict[str, Any]) -> int:
    """Returns the seed that chooses samples: the dataset's, 0 if it has none."""
    seed = metadata.get("seed")
    return seed if isinstance(seed, int) else 0


def _clips(layout: Layout, tables: Tables, report: Report, say: Callable[[str], None]) -> ClipColumns:
    """Checks every clip table, one at a time, while the next ones are read; returns the columns kept."""
    kept: list[ClipColumns] = []

    def check(checks: RowChecks, shard: str, table: pa.Table) -> Iterator[Finding]:
        defects, columns = checks(shard, table)
        kept.append(columns)
        yield from defects

    def findings(pool: ThreadPoolExecutor) -> Iterator[Finding]:
        checks = RowChecks(tables, measured_envelopes(layout))
        rows = list(tables.shards.itertuples())
        done = 0
        read = map_ahead(pool, lambda row: clip_table(layout, row), rows)
        for row, (defects, table) in zip(rows, read, strict=True):
            yield from defects
            if table is not None:
                done += table.num_rows
                yield from guarded(row.shard, check(checks, row.shard, table))
            say(f"clip rows, {done}")

    with ThreadPoolExecutor(2 if is_local(layout.root) else 16) as pool:
        report.add("clip rows", f"{len(tables.shards)} clip tables", findings(pool))
    return concatenate(kept)


def map_ahead(
    pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], window: int = 16
) -> Iterator[R]:
    """Maps `work` over items in a pool; results in order, at most `window` started before they are used."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) == window:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _sample(layout: Layout, tables: Tables, seed: int) -> pd.DataFrame:
    """Reads the clip rows of a few shards, chosen by `seed`."""
    # The label seeds the choice: another one would audit other clips than before.
    chosen = sorted(permutation(seed, len(tables.shards), "heard shards")[:MEASURED_SHARDS])
    paths = [layout.clip_table(tables.shards["shard"].iat[int(i)]) for i in chosen]
    return pd.concat([to_pandas(read_table(path, "clips")) for path in paths], ignore_index=True)
