"""Collating: a batch holds pieces that start at note onsets."""

from __future__ import annotations

from itertools import islice

from manifests.dataset.layout import Layout
from tests.support.training.tiny_codec import SIZES
from train.config import parse_config
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables
from train.systems import build
from train.systems.base import Format


def test_a_batch_holds_pieces_from_note_onsets(layout: Layout) -> None:
    """Onset crops: about half of the pieces start at a note's onset, the others later in a note."""
    tables = Tables.open(layout.root)
    config = parse_config({"steps": 1, "model": {**SIZES, "note_seconds": 0.1}}, "test")
    system = build("triptych", config.model, Format(tables.rate, tables.cut_fade_ms, ("a",)), 1)
    with Loader(ShardSource(tables), system.kinds, 1, 2, 1) as loader:
        examples = list(islice(loader, 24))
    batch = system.collate(examples, {})
    starts = batch.start_R.tolist()
    assert 0.3 < sum(start == 0.0 for start in starts) / len(starts) < 1.0
