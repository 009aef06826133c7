"""Figures of a split equal those computed from its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.audit.checks.figures import figures_by_split
from manifests.audit.run import AuditOptions, audit
from manifests.dataset.layout import Layout


def test_figures_of_a_split_equal_those_of_its_rows(tiny: Path) -> None:
    audited = audit(Layout(tiny), AuditOptions(), lambda _: None)
    assert audited.clips is not None
    assert audited.tables is not None
    rows = Layout(tiny).read_clips("train").to_pandas()
    train = figures_by_split(audited.clips, audited.tables)["train"]
    assert train["clips"] == len(rows)
    assert train["timbres"] == rows["timbre"].nunique()
    assert train["rms_dbfs_median"] == pytest.approx(20 * np.log10(rows["rms"].median()), abs=0.05)
    assert train["whole_envelope_share"] == pytest.approx(
        (rows["sustain_reached"] & rows["release_heard"]).mean(), abs=1e-3
    )
    assert 100 < train["brightness_hz"] < 10_000
