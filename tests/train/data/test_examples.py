"""Examples: partners of each kind, their cost, and labels that match the audio."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import numpy as np

from manifests.splits.seeds import stream
from manifests.synthesis import compose
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.examples import take_examples
from train.data.examples import EXAMPLE_KINDS, draw_roles
from train.data.shards import ShardSource
from train.data.tables import Tables


def test_partners_share_exactly_what_their_kind_says(tables: Tables) -> None:
    examples = take_examples(tables, 200)
    assert set(Counter(e.kind for e in examples)) == set(EXAMPLE_KINDS)
    for e in examples:
        target, ids = e.target.id, (e.content.id, e.timbre.id, e.envelope.id)
        assert all(id.block == target.block for id in ids)
        assert e.content.id.phrase == target.phrase
        assert e.timbre.id.timbre == target.timbre
        assert e.envelope.id.envelope == target.envelope
        if e.kind == "reconstruction":
            for id, shared in zip(ids, ("phrase", "timbre", "envelope"), strict=True):
                for axis in ("phrase", "timbre", "envelope"):
                    assert (getattr(id, axis) == getattr(target, axis)) == (axis == shared)
            continue
        source, reference = {
            "timbre": (e.content, e.timbre),
            "envelope": (e.content, e.envelope),
            "both": (e.content, e.timbre),
        }[e.kind]
        assert e.timbre.id == (source.id if e.kind == "envelope" else reference.id)
        assert e.envelope.id == (source.id if e.kind == "timbre" else reference.id)
        for axis in ("timbre", "envelope", "phrase"):
            assert getattr(source.id, axis) != getattr(reference.id, axis)


def test_choosing_partners_does_not_cost_more_on_larger_datasets(tmp_path: Path) -> None:
    """Finding a partner scans no rows: a block costs the same calls with one or seven other blocks."""
    calls = []
    for timbres in (4, 16):
        root = make_dataset(tmp_path / str(timbres), train=(timbres, 2, 2), seconds=0.3, rate=8000).root
        shards = ShardSource(Tables.open(root))
        block = min(shards.blocks(0))
        count = Counter[str]()

        def counted(frame: FrameType, event: str, what: object, count: Counter[str] = count) -> None:
            count[event] += 1

        for _ in range(2):  # the first pass fills caches
            count.clear()
            sys.setprofile(counted)
            shards.clips(block, range(block.clips))
            roles = [
                draw_roles(kind, target, (block.timbres, block.phrases, block.envelopes), stream(1, "cast"))
                for kind in EXAMPLE_KINDS
                for target in block.ids()
            ]
            sys.setprofile(None)
        assert len(roles) == 4 * block.clips
        calls.append(dict(count))
    assert calls[0] == calls[1]


def test_labels_match_the_audio(tables: Tables) -> None:
    for example in take_examples(tables, 12):
        clip = example.target
        loud = compose.gain(clip.notes, clip.envelope, tables.rate, tables.frames, tables.cut_fade_ms)
        sound = clip.audio / 32767.0
        assert np.abs(sound[loud == 0.0]).max(initial=0.0) < 1e-4
        scale = np.sqrt(np.mean(sound**2) / np.mean(loud**2)) / (0.1 * clip.gain)
        assert 0.5 < scale < 2.0
        octaves = tables.timbre_octaves[clip.id.timbre]
        written = tables.phrases[clip.id.phrase]
        assert [n.pitch for n in clip.notes] == [n.pitch + 12 * octaves for n in written]
