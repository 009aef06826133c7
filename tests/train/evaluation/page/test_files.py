"""A long page keeps its sounds in files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from manifests.types import InputError
from train.cli.page import page


def test_a_long_page_keeps_its_sounds_in_files(page_files: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("train.evaluation.page.page.MAX_INLINE_ROWS", 2)
    out = tmp_path / "long.html"
    for _ in range(2):  # the second run overwrites the files of the first
        page(out, folder=page_files, scores=None, blind=True)
    files = sorted(path.name for path in (tmp_path / "long_files").iterdir())
    assert len(files) == 3 * 6
    assert not any("alpha" in name or "target" in name for name in files)
    (tmp_path / "long_files" / "mine.txt").write_text("")
    with pytest.raises(InputError, match=r"long_files: holds 'mine\.txt', which no page put there"):
        page(out, folder=page_files, scores=None, blind=True)
