"""`audit --html`: the audit as one page that needs nothing else: no network, no script.

Everything is aggregated, so that the page of 3 million rows is as large as that of 10,000. The dataset is
not trusted: each part is drawn by itself, and one that cannot be says so in its place.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd

from manifests.audit.findings import BROKEN, Report, reason
from manifests.audit.page import draw
from manifests.audit.page.coverage import coverage
from manifests.audit.page.markup import figure, grid, section, table, words
from manifests.audit.page.sounds import sounds
from manifests.audit.page.values import FAMILIES, parameters, splits, timbres
from manifests.audit.run import Audited, seed_of
from manifests.audit.tables import Tables
from manifests.dataset.layout import Layout, to_pandas
from manifests.dataset.rows import envelope_of, notes_of
from manifests.dataset.storage import is_local
from manifests.splits.seeds import permutation
from manifests.synthesis.envelope import gain_curve, settle_ms
from manifests.types import InputError

CURVES, ROLLS, REASONS = 60, 12, 40
"""Envelopes drawn of a family, phrases drawn, kinds of failures listed."""


def page(layout: Layout, audited: Audited) -> bytes:
    """The page, UTF-8. The same dataset and findings give the same bytes."""
    report, metadata = audited.report, audited.metadata
    parts = [_findings(report)]
    if audited.tables is not None and audited.clips is not None:
        tables, clips, seed = audited.tables, audited.clips, seed_of(metadata)
        failed = _failed(layout)
        parts += [
            _drawn("Splits", lambda: splits(report.figures, tables, clips)),
            _drawn("Coverage", lambda: coverage(tables, clips)),
            _drawn("Clips", lambda: sounds(layout, tables, seed)),
            _drawn("Parameters", lambda: parameters(tables, clips)),
            _drawn("Envelope families", lambda: _families(tables)),
            _drawn("Phrases", lambda: _phrases(tables, seed)),
            _drawn("Timbres", lambda: timbres(tables, Counter(failed["synth"]))),
            _drawn("Failures", lambda: _failures(failed)),
        ]
    asset = files("manifests.audit.page")
    total = sum(int(of["clips"]) for of in report.figures.values())
    hours = sum(of["hours"] for of in report.figures.values())
    html = Template(asset.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        css=asset.joinpath("page.css").read_text(encoding="utf-8"),
        name=words(report.dataset),
        verdict="no defect found" if report.passed else f"{len(report.findings)} finding(s)",
        outcome="good" if report.passed else "bad",
        clips=f"{total:,}",
        hours=f"{hours:,.1f}",
        fingerprint=words(metadata.get("fingerprint", "")),
        schema=words(metadata.get("schema", "")),
        seed=words(metadata.get("seed", "")),
        body="\n".join(parts),
    )
    # JSON can hold half a surrogate pair, which no encoding can.
    return html.encode("utf-8", "replace")


def destination(file: str, layout: Layout) -> Path:
    """Where the page goes; InputError, before anything is audited, where it cannot go."""
    path = Path(file)
    if "://" in file or path.is_dir():
        raise InputError(f"--html {file}: expected the name of a file on this machine")
    if is_local(layout.root) and path.resolve().is_relative_to(layout.root.resolve()):
        raise InputError(f"--html {file}: lies in the dataset, whose next audit would find it foreign")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--html {file}: {error.strerror}") from None
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--html {file}: {path.parent} cannot be written")
    return path


def _drawn(title: str, make: Callable[[], str]) -> str:
    try:
        return make()
    except BROKEN as error:
        return section(title, f"Cannot be drawn: {words(reason(error))}", "")


def _findings(report: Report) -> str:
    """What was found, if anything, and what was looked at."""
    tiles = "".join(
        f'<div class="{"bad" if report.counts.get(check) else "good"}"><b>{words(check)}</b>'
        f"<span>{words(what)}</span></div>"
        for check, what in report.looked_at.items()
    )
    checks = section("Checks", "What was looked at.", f'<div class="tiles">{tiles}</div>')
    if report.passed:
        return checks
    found = table(["check", "where", "what"], [[f.check, f.where, f.what] for f in report.findings])
    return section("Findings", "Of many findings of one kind, the first few.", found) + checks


def _families(tables: Tables) -> str:
    pictures = []
    for family, rows in list(tables.envelopes.groupby("family"))[:FAMILIES]:
        places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), CURVES)).astype(int))
        envelopes = [(str(row["side"]), envelope_of(row)) for row in rows.iloc[places].to_dict("records")]
        gate = max(settle_ms(envelope) for _, envelope in envelopes) * 1.15 + 20.0
        end = gate + max(envelope.release_ms for _, envelope in envelopes) * 1.05 + 10.0
        times = np.linspace(0.0, end, 180)
        lines = [(side, gain_curve(envelope, gate, times)) for side, envelope in envelopes]
        said = f"{family}: {len(lines)} of {len(rows)} envelopes"
        pictures.append(figure(said, draw.curves(lines, end, gate)))
    note = "The gain of one long note under each envelope."
    return section("Envelope families", note, grid(pictures, wide=True))


def _phrases(tables: Tables, seed: int) -> str:
    seconds, tones = float(tables.config["clip"]["seconds"]), tables.config["tones"]
    low, high = int(tones["lowest_pitch"]), int(tones["highest_pitch"])
    pictures = []
    for place in sorted(permutation(seed, len(tables.phrases), "page phrases")[:ROLLS]):
        row = tables.phrases.iloc[int(place)].to_dict()
        picture = draw.roll(notes_of(row), seconds, str(row["side"]), low, high)
        pictures.append(figure(f"{row['phrase']}, {row['side']}: {row['source']}", picture))
    note = f"{len(pictures)} of {len(tables.phrases):,} phrases over {seconds:g} s; lines at each C."
    return section("Phrases", note + " Louder notes are stronger.", grid(pictures))


def _failed(layout: Layout) -> pd.DataFrame:
    """The rows of failures.parquet; none where it cannot be read (the audit says so)."""
    try:
        return to_pandas(layout.read("failures"))
    except InputError:
        return pd.DataFrame(columns=["stage", "synth", "preset", "reason", "detail", "shard"])


def _failures(failed: pd.DataFrame) -> str:
    kinds = [
        (len(rows), stage, synth, why, f"{rows['preset'].iat[0]}: {rows['detail'].iat[0]}")
        for (stage, synth, why), rows in failed.groupby(["stage", "synth", "reason"])
    ]
    kinds.sort(key=lambda kind: (-kind[0], kind[1:]))
    note = "Presets that failed their checks; others took their place." if kinds else "Nothing failed."
    if len(kinds) > REASONS:
        note += f" The {REASONS} most frequent of {len(kinds)} kinds."
    rows = [[stage, synth, why, f"{count:,}", first] for count, stage, synth, why, first in kinds[:REASONS]]
    titles = ["stage", "synth", "reason", "presets", "first of them"]
    return section("Failures", note, table(titles, rows) if rows else "")
