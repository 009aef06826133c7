"""Release weights: fp16 parts load as one checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from manifests.types import InputError
from train.checkpoint import read_weights, save_weights
from train.codec.api import load_codec
from train.codec.release import HEADER_BYTES, write_parts


def test_parts_load_as_one_checkpoint(release_checkpoint: Path, tmp_path: Path) -> None:
    weights, metadata = read_weights(release_checkpoint)
    largest = max(value.numel() * 2 for value in weights.values())
    total = sum(value.numel() * 2 for value in weights.values())
    paths = write_parts(release_checkpoint, tmp_path, HEADER_BYTES + max(largest, total // 3))
    assert [path.name for path in paths][:1] == [f"model-00001-of-{len(paths):05d}.safetensors"]
    assert len(paths) >= 3
    assert all(path.stat().st_size < HEADER_BYTES + max(largest, total // 3) for path in paths)
    again, part_metadata = read_weights(paths[0])
    assert part_metadata == metadata
    assert again.keys() == weights.keys()
    for name, value in weights.items():
        assert again[name].dtype == value.dtype
        torch.testing.assert_close(again[name], value, rtol=1e-3, atol=1e-7)
    load_codec(paths[0])
    with pytest.raises(InputError, match="name the first part, model-00001"):
        read_weights(paths[1])
    save_weights(paths[1], read_weights(release_checkpoint)[0], {**metadata, "step": "2"})
    with pytest.raises(InputError, match="its part 2 belongs to another checkpoint"):
        read_weights(paths[0])
    paths[1].unlink()
    with pytest.raises(InputError, match=r"model-00002-of-\d{5}\.safetensors: no such checkpoint"):
        read_weights(paths[0])


def test_weights_that_half_precision_cannot_hold_are_refused(
    release_checkpoint: Path, tmp_path: Path
) -> None:
    weights, metadata = read_weights(release_checkpoint)
    name = sorted(weights)[0]
    save_weights(tmp_path / "big.safetensors", {**weights, name: weights[name] + 1e6}, metadata)
    with pytest.raises(InputError, match=rf"big\.safetensors: weight '{name}' reaches 1e\+06"):
        write_parts(tmp_path / "big.safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()
