"""Properties of a trained codec: disentangled factors, little loss, calibrated confidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.codec_properties import roundtrip_means
from benchmarks.probes import check_targets, collect_latents, probe_scores
from manifests.dataset.layout import Layout
from manifests.splits.seeds import stream
from manifests.types import ClipId
from tests.support.tunes import drum_loop
from train.codec.api import Codec, load_codec
from train.data.clips import read_clips
from train.data.tables import Tables

# All tests that need the demo's training run in one worker, which trains once.
pytestmark = [pytest.mark.verify, pytest.mark.xdist_group("demo")]


@pytest.fixture(scope="module")
def codec(demo_run: Path) -> Codec:
    return load_codec(demo_run / "best.safetensors")


@pytest.fixture(scope="module")
def clips(demo_data: Path) -> list[tuple[ClipId, np.ndarray]]:
    tables = Tables.open(demo_data)
    ids = [id for block in tables.blocks("validation") for id in block.ids()][::7][:40]
    sounds = read_clips(tables.layout, [id.key for id in ids])
    return [(id, (sounds[id.key] / 32768.0).astype(np.float32)) for id in ids]


def test_self_reference_and_swapping_back_lose_little(codec: Codec, demo_data: Path) -> None:
    measured = roundtrip_means(codec, Layout(demo_data), "validation", 16, 1)
    assert measured["mstft_floored"]["self_reference"] <= 1.1
    assert measured["mstft_floored"]["swapped_back"] <= 0.7


def test_each_factor_encodes_only_itself(codec: Codec, demo_data: Path) -> None:
    targets = check_targets(probe_scores(collect_latents(codec, Tables.open(demo_data), 1200, 1)))
    assert all(targets.values()), {target for target, met in targets.items() if not met}


def test_a_known_timbre_is_classified(
    codec: Codec, demo_data: Path, clips: list[tuple[ClipId, np.ndarray]]
) -> None:
    names = Tables.open(demo_data).timbre_names
    right = [names[id.timbre] in dict(codec.describe(audio).nearest) for id, audio in clips]
    assert np.mean(right) > 0.6


def test_confidence_is_calibrated(
    codec: Codec, demo_data: Path, clips: list[tuple[ClipId, np.ndarray]]
) -> None:
    envelopes = Tables.open(demo_data).envelopes
    for name in ("attack_ms", "decay_ms", "release_ms"):
        described = [(codec.describe(audio), envelopes[id.envelope]) for id, audio in clips[:24]]
        near = {True: [], False: []}
        for description, true in described:
            error = abs(np.log((getattr(description.envelope, name) + 1.0) / (getattr(true, name) + 1.0)))
            near[description.confidence[name] > 0.8].append(error < 0.2)
        assert np.mean(near[True]) >= 0.75, name


def test_unpitched_and_releaseless_recordings_raise_doubts(codec: Codec) -> None:
    noise = np.asarray(stream(1, "noise").random(44_100) - 0.5, dtype=np.float32)
    for sound in (noise, np.tile(drum_loop(), 2)):
        assert any("no pitch is heard" in line for line in codec.describe(sound).doubts)
    held = np.asarray(0.5 * np.sin(2 * np.pi * 220 * np.arange(44_100) / 44_100), dtype=np.float32)
    assert any("no release is heard" in line for line in codec.describe(held).doubts)
