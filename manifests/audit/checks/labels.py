"""Label check: with `shaping: plugin` every timbre's labels were measured, and rows are what was heard."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from manifests.audit.findings import Finding
from manifests.audit.tables import Tables
from manifests.dataset.layout import Layout, to_pandas
from manifests.types import ENVELOPE_FIELDS

TIME_MS, TIME_SHARE, NOTE_DB = 5.0, 0.1, 0.5
"""What the renderer accepts at most: ms, or share of a time; mean deviation of a note's gain in dB."""


def label_findings(layout: Layout, tables: Tables, looked_at: list[str]) -> Iterator[Finding]:
    """Checks labels.parquet: each timbre has notes, within the tolerance, with the envelopes that rows state.

    A dataset that the renderer shaped has no such table, and one of before schema 1.1 need not have it;
    `looked_at` receives a line that says so, or how many notes there are.
    """
    if not layout.table("labels").exists():
        is_played = tables.config.get("shaping") == "plugin"
        looked_at.append("labels never measured" if is_played else "labels are the renderer's own")
        return
    rows = to_pandas(layout.read("labels"))
    looked_at.append(f"{len(rows)} notes, {rows['error_db'].mean():.2f} dB off in the mean")
    for timbre in sorted(set(tables.timbres["timbre"]) - set(rows["timbre"])):
        yield Finding("labels", f"timbre {timbre}", "its labels were not measured")
    known = rows["envelope"].between(0, len(tables.envelopes) - 1) & rows["timbre"].isin(
        tables.timbres["timbre"]
    )
    for row in rows[~known].itertuples():
        yield Finding("labels", f"timbre {row.timbre}", f"envelope {row.envelope}: an id that no row has")
    asked = rows[known & (rows["labels"] == "asked")]
    for name in ENVELOPE_FIELDS:
        own = tables.envelopes[name].to_numpy()[asked["envelope"]]
        for row in asked[asked[name].to_numpy() != own].itertuples():
            yield Finding("labels", _where(row), f"{name} is not its envelope's")
    for name in ("attack_ms", "decay_ms", "release_ms"):
        heard, stated = rows[f"heard_{name}"].to_numpy(), rows[name].to_numpy()
        off = np.abs(heard - stated) > np.maximum(TIME_MS, TIME_SHARE * stated)
        for row, value in zip(rows[off].itertuples(), heard[off], strict=True):
            yield Finding(
                "labels", _where(row), f"{name} {getattr(row, name):g} in its row, {value:.1f} heard"
            )
    for row in rows[~(rows["error_db"] <= NOTE_DB)].itertuples():
        yield Finding("labels", _where(row), f"its gain is {row.error_db:.2f} dB off its row's")


def _where(row: pd.Series) -> str:
    return f"timbre {row.timbre}, envelope {row.envelope}"
