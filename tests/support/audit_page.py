"""The audit page of a folder and its sections; copies of datasets that tests damage."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from manifests.audit.page.page import render_page
from manifests.audit.run import AuditOptions, audit
from manifests.dataset.layout import Layout


def page_text(root: Path) -> str:
    layout = Layout(root)
    return render_page(layout, audit(layout, AuditOptions(), lambda _: None)).decode()


def section(text: str, title: str) -> str:
    """Returns the HTML of one section."""
    match = re.search(rf"<section><h2>{title}</h2>(.*?)</section>", text, re.DOTALL)
    assert match, title
    return match[1]


def copy_dataset(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work")))


def change_setting(*names: str, value: Any = None) -> Callable[[Path], None]:
    """Returns a function that sets one setting of dataset.json, or removes it without a value."""

    def change(root: Path) -> None:
        metadata = json.loads((root / "dataset.json").read_bytes())
        inner = metadata
        for name in names[:-1]:
            inner = inner[name]
        if value is None:
            del inner[names[-1]]
        else:
            inner[names[-1]] = value
        (root / "dataset.json").write_text(json.dumps(metadata))

    return change
