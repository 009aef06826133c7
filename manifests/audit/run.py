"""An audit from end to end: the cheap checks first, each tier on top of the one before."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from manifests.audit.findings import Finding, Report
from manifests.audit.folder import card_findings, folder_findings, metadata_findings
from manifests.audit.heard import audible, envelope_findings
from manifests.audit.rerender import rerender_findings
from manifests.audit.samples import shard_findings
from manifests.audit.tables import (
    Tables,
    block_findings,
    coverage_findings,
    id_findings,
    leak_findings,
    value_findings,
)
from manifests.layout import Layout, to_pandas
from manifests.vocabulary import BadInput

HEARD = 48
"""How many clips a deep audit listens to for their envelope."""


@dataclass(frozen=True, slots=True)
class Tiers:
    """What an audit does besides the tables: hash the tars, decode every clip, make clips again."""

    hashes: bool = False
    deep: bool = False
    rerender: int = 0


def audit(layout: Layout, tiers: Tiers, say: Callable[[str], None]) -> Report:
    """Audits a dataset folder; `say` is told what is being looked at. BadInput if it is no dataset."""
    metadata = layout.metadata()
    report = Report(str(metadata.get("name")))
    say("tables")
    report.add("dataset.json", "fingerprint and config", metadata_findings(metadata))
    try:
        tables = Tables(
            clips=to_pandas(layout.read_clips()),
            timbres=to_pandas(layout.read("timbres")),
            envelopes=to_pandas(layout.read("envelopes")),
            phrases=to_pandas(layout.read("phrases")),
            blocks=to_pandas(layout.read("blocks")),
            shards=to_pandas(layout.read("shards")),
            config=metadata["config"],
        )
    except BadInput as error:
        # Without its tables nothing else can be said: the first that cannot be read is the finding.
        report.add("tables", "schemas", [Finding("table", str(layout.root), str(error))])
        return report
    count = f"{len(tables.clips)} clips"
    report.add("files", f"{len(tables.shards)} shards", folder_findings(layout, tables.shards))
    report.add("card", "README.md", card_findings(layout))
    report.add("ids and keys", count, id_findings(tables))
    report.add("values", count, value_findings(tables))
    report.add("blocks", f"{len(tables.blocks)} blocks", block_findings(tables))
    report.add("coverage", count, coverage_findings(tables))
    report.add("leaks", count, leak_findings(tables))
    if tiers.hashes or tiers.deep:
        say("shards" + (", every clip decoded" if tiers.deep else ""))
        looked = f"{len(tables.shards)} tars" + (f", {count} decoded" if tiers.deep else "")
        threads = os.cpu_count() or 1
        report.add("audio", looked, shard_findings(layout, tables.shards, tables.clips, tiers.deep, threads))
    seed = int(metadata.get("seed", 0))
    if tiers.deep and not report.findings:
        say("envelopes, measured on the audio")
        looked = f"{min(HEARD, len(audible(tables)))} clips"
        report.add("envelopes heard", looked, envelope_findings(layout, tables, HEARD, seed))
    if tiers.rerender:
        say(f"{tiers.rerender} clips, made again")
        looked = f"{min(tiers.rerender, len(tables.clips))} clips"
        report.add("made again", looked, rerender_findings(layout.root, tables.clips, tiers.rerender, seed))
    return report
