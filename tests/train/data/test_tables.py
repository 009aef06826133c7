"""Tables: a dataset that is still growing is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.types import InputError
from tests.support.synthetic_dataset import make_dataset
from train.data.tables import Tables


def test_a_growing_dataset_is_refused(tmp_path: Path) -> None:
    """While shards are rendered their table is missing, and the present blocks are incomplete."""
    copy = make_dataset(tmp_path / "set", train=(2, 2, 2), seconds=0.3, rate=8000, validation=0.0)
    copy.table("shards").unlink()
    with pytest.raises(InputError, match=r"no such table; `python -m render status .*` tells whether"):
        Tables.open(copy.root).blocks("validation")
    with pytest.raises(
        InputError, match=r"'test_unseen_all' has no rendered block; `python -m render status"
    ):
        Tables.open(copy.root).blocks("test_unseen_all")
