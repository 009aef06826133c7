"""Audits a dataset in this process, and makes copies of it whose tables are forged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from manifests.audit.findings import Report
from manifests.audit.run import AuditOptions, audit
from manifests.dataset.layout import Layout
from tests.support import datasets

Rows = datasets.Rows


def audit_report(root: Path, options: AuditOptions = AuditOptions()) -> Report:  # noqa: B008
    return audit(Layout(root), options, lambda _: None).report


def forged_copy(tiny: Path, copy: Path, table: str, change: Callable[[Rows], None]) -> Path:
    """Copies a dataset and rewrites one of its tables."""
    shutil.copytree(tiny, copy)
    datasets.rewrite_table(copy, table, change)
    return copy


def first_of_side(rows: Rows, side: str) -> dict[str, Any]:
    return next(row for row in rows if row["side"] == side)
