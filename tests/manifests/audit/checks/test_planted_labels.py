"""The envelope check finds labels that are wrong, whatever is wrong with them, in a dataset of real audio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from manifests.audit.checks.envelope import envelope_findings
from manifests.audit.findings import Finding
from manifests.audit.tables import Tables, load_tables
from manifests.dataset.layout import Layout, to_pandas

FAULTS: dict[str, dict[str, Any]] = {
    "attack doubled": {"attack_ms": lambda v: 2.0 * v + 5.0},
    "attack halved": {"attack_ms": lambda v: 0.4 * v - 4.0},
    "decay doubled": {"decay_ms": lambda v: 2.0 * v},
    "decay halved": {"decay_ms": lambda v: 0.5 * v - 10.0},
    "sustain 4 dB up": {"sustain": lambda v: (1.6 * v + 0.08).clip(upper=1.0)},
    "sustain 4 dB down": {"sustain": lambda v: 0.6 * v},
    "release doubled": {"release_ms": lambda v: 2.0 * v + 10.0},
    "release halved": {"release_ms": lambda v: 0.5 * v},
    "exponential for linear": {"curve": lambda v: v.map(lambda _: "exponential")},
    "attack and release exchanged": {},
}


@pytest.fixture(scope="module")
def tables(tiny: Path) -> Tables:
    layout = Layout(tiny)
    found = load_tables(layout, layout.metadata()["config"])
    return replace(found, clips=to_pandas(layout.read_clips()))


def findings(tiny: Path, tables: Tables, clips: pd.DataFrame) -> list[Finding]:
    return list(envelope_findings(Layout(tiny), replace(tables, clips=clips), 8, 1, []))


def test_right_labels_have_no_finding(tiny: Path, tables: Tables) -> None:
    assert findings(tiny, tables, tables.clips) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_label_fault_is_found(tiny: Path, tables: Tables, fault: str) -> None:
    wrong = tables.clips.copy()
    for column, change in FAULTS[fault].items():
        changed = change(wrong[column])
        wrong[column] = changed if column == "curve" else changed.clip(lower=0.0)
    if not FAULTS[fault]:
        wrong["attack_ms"], wrong["release_ms"] = tables.clips["release_ms"], tables.clips["attack_ms"]
    assert findings(tiny, tables, wrong)


def test_nothing_measured_is_a_finding(tiny: Path, tables: Tables) -> None:
    unheard = tables.clips.assign(release_heard=False)
    (only,) = findings(tiny, tables, unheard)
    assert "no label can be checked" in only.what
