"""Render the audit as one HTML page that loads nothing else: no network, no script.

Numbers are aggregated, so that the page of 3 million clips is as large as that of 10,000. The dataset is
untrusted. Each section is made on its own; one that fails shows its error in its place.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from manifests.audit.findings import DATA_ERRORS, Report, error_line
from manifests.audit.page import draw
from manifests.audit.page.coverage import coverage_section
from manifests.audit.page.sections import Figure, Grid, Section, Table, Tiles, shorten
from manifests.audit.page.sounds import clips_section
from manifests.audit.page.values import MAX_GROUPS, parameters_section, splits_section, timbres_section
from manifests.audit.run import AuditResult, seed_of
from manifests.audit.tables import Tables
from manifests.dataset.layout import Layout, to_pandas
from manifests.dataset.rows import envelope_of, notes_of
from manifests.dataset.storage import is_local
from manifests.html.environment import environment
from manifests.splits.seeds import permutation
from manifests.synthesis.envelope import gain_curve, settle_ms
from manifests.types import InputError

CURVES = 60
"""Envelopes of a family that are drawn."""
ROLLS = 12
"""Phrases that are drawn."""
FAILURES = 40
"""Kinds of failures that are listed."""


def render_page(layout: Layout, result: AuditResult) -> bytes:
    """Renders the audit of a dataset as an HTML page in UTF-8.

    Equal datasets and findings give equal bytes.

    Args:
        layout: The dataset that was audited; a few of its clips are read again, to be heard.
        result: What the audit returned. Without tables the page shows the findings only.
    """
    report, metadata = result.report, result.metadata
    sections = _findings(report)
    if result.tables is not None and result.clips is not None:
        tables, clips, seed = result.tables, result.clips, seed_of(metadata)
        failed = _failed(layout)
        sections += [
            _guarded("Splits", lambda: splits_section(report.figures, tables, clips)),
            _guarded("Coverage", lambda: coverage_section(tables, clips)),
            _guarded("Clips", lambda: clips_section(layout, tables, seed)),
            _guarded("Parameters", lambda: parameters_section(tables, clips)),
            _guarded("Envelope families", lambda: _families(tables)),
            _guarded("Phrases", lambda: _phrases(tables, seed)),
            _guarded("Timbres", lambda: timbres_section(tables, Counter(failed["synth"]))),
            _guarded("Failures", lambda: _failures(failed)),
        ]
    templates = environment(files("manifests.audit.page"))
    templates.filters["shorten"] = shorten
    html = templates.get_template("page.html").render(
        name=report.dataset,
        findings=len(report.findings),
        clips=f"{sum(int(split['clips']) for split in report.figures.values()):,}",
        hours=f"{sum(split['hours'] for split in report.figures.values()):,.1f}",
        fingerprint=metadata.get("fingerprint", ""),
        schema=metadata.get("schema", ""),
        seed=metadata.get("seed", ""),
        sections=sections,
    )
    # JSON can hold half a surrogate pair, which no encoding can.
    return html.encode("utf-8", "replace")


def page_path(file: str, layout: Layout) -> Path:
    """Checks where the page is to be written, before anything is audited, and makes its folder.

    Raises:
        InputError: If `file` is a URL or a folder, lies in the dataset, or cannot be written.
    """
    path = Path(file)
    if "://" in file or path.is_dir():
        raise InputError(f"--html {file}: expected the name of a file on this machine")
    if is_local(layout.root) and path.resolve().is_relative_to(layout.root.resolve()):
        raise InputError(f"--html {file}: lies in the dataset, whose next audit would report it as foreign")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--html {file}: its folder cannot be made ({error.strerror})") from None
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--html {file}: {path.parent} cannot be written")
    return path


def _guarded(title: str, make: Callable[[], Section]) -> Section:
    """Makes a section; one that the dataset's values break becomes a section that says so."""
    try:
        return make()
    except DATA_ERRORS as error:
        return Section(title, shorten(f"Cannot be drawn: {error_line(error)}"))


def _findings(report: Report) -> list[Section]:
    """Makes the sections of the findings, if any, and of the checks."""
    tiles = [
        (check, looked_at, not report.counts.get(check)) for check, looked_at in report.looked_at.items()
    ]
    checks = Section("Checks", "What was checked.", [Tiles(tiles)])
    if report.passed:
        return [checks]
    rows = [[finding.check, finding.where, finding.what] for finding in report.findings]
    note = "Of many findings of one kind, the first few are listed."
    return [Section("Findings", note, [Table(["check", "where", "what"], rows)]), checks]


def _families(tables: Tables) -> Section:
    """Draws the gain curves of each family of envelopes on one long note."""
    figures = []
    for family, rows in list(tables.envelopes.groupby("family"))[:MAX_GROUPS]:
        places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), CURVES)).astype(int))
        envelopes = [(str(row["side"]), envelope_of(row)) for row in rows.iloc[places].to_dict("records")]
        gate_ms = max(settle_ms(envelope) for _, envelope in envelopes) * 1.15 + 20.0
        end_ms = gate_ms + max(envelope.release_ms for _, envelope in envelopes) * 1.05 + 10.0
        times = np.linspace(0.0, end_ms, 180)
        lines = [(side, gain_curve(envelope, gate_ms, times)) for side, envelope in envelopes]
        caption = f"{family}: {len(lines)} of {len(rows)} envelopes"
        figures.append(Figure(caption, draw.gain_curves(lines, end_ms, gate_ms)))
    return Section(
        "Envelope families", "The gain of one long note under each envelope.", [Grid(figures, True)]
    )


def _phrases(tables: Tables, seed: int) -> Section:
    """Draws the piano rolls of a few phrases, chosen by `seed`."""
    seconds, tones = float(tables.config["clip"]["seconds"]), tables.config["tones"]
    low, high = int(tones["lowest_pitch"]), int(tones["highest_pitch"])
    figures = []
    for place in sorted(permutation(seed, len(tables.phrases), "page phrases")[:ROLLS]):
        row = tables.phrases.iloc[int(place)].to_dict()
        picture = draw.piano_roll(notes_of(row), seconds, str(row["side"]), low, high)
        figures.append(Figure(f"{row['phrase']}, {row['side']}: {row['source']}", picture))
    note = (
        f"{len(figures)} of {len(tables.phrases):,} phrases over {seconds:g} s. Lines mark each C; a louder"
        " note is darker."
    )
    return Section("Phrases", note, [Grid(figures)])


def _failed(layout: Layout) -> pd.DataFrame:
    """Reads failures.parquet; an empty table where it cannot be read, which the audit reports."""
    try:
        return to_pandas(layout.read("failures"))
    except InputError:
        return pd.DataFrame(columns=["stage", "synth", "preset", "reason", "detail", "shard"])


def _failures(failed: pd.DataFrame) -> Section:
    """Counts the failures by stage, synth and reason."""
    kinds = [
        (len(rows), stage, synth, why, f"{rows['preset'].iat[0]}: {rows['detail'].iat[0]}")
        for (stage, synth, why), rows in failed.groupby(["stage", "synth", "reason"])
    ]
    kinds.sort(key=lambda kind: (-kind[0], kind[1:]))
    if not kinds:
        return Section("Failures", "Nothing failed.")
    note = "Presets that failed their checks; others took their place."
    if len(kinds) > FAILURES:
        note += f" The {FAILURES} most frequent of {len(kinds)} kinds."
    rows = [[stage, synth, why, f"{count:,}", first] for count, stage, synth, why, first in kinds[:FAILURES]]
    titles = ["stage", "synth", "reason", "presets", "first of them"]
    return Section("Failures", note, [Table(titles, rows)])
