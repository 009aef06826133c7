"""Writes a release of a checkpoint: fp16 weights in parts, a card, and example conversions.

OUT/model-00001-of-00002.safetensors …   below 16 MiB each; `--checkpoint` takes the first
OUT/README.md, OUT/card.json             the release card, and all its facts
OUT/clips/01_timbre_….flac               source, reference, target and conversion of each example
OUT/scores/                              the scores of which the card was made
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from manifests.dataset.bank import Bank
from manifests.dataset.clip_audio import as_float
from manifests.dataset.layout import Layout
from manifests.types import InputError
from train.audio.files import write_audio
from train.checkpoint import part_name, read_weights, save_weights
from train.codec.api import Codec
from train.data.clips import read_clips
from train.data.pairs import KINDS, TAKES, Pair, draw_pairs
from train.metrics import score, spectral_features
from train.systems.base import Audio

METRIC = "mstft_floored"
"""The metric of examples, by its name in `train.metrics`."""
MAX_FILE_BYTES = 16 * 2**20
"""Largest size of a file of weights."""
HEADER_BYTES = 2**19
"""Space that is kept in a file for metadata and names of weights."""


def write_parts(checkpoint: Path, out: Path, limit: int = MAX_FILE_BYTES) -> list[Path]:
    """Writes a checkpoint's weights as fp16 files of at most `limit` bytes.

    Raises InputError if a single tensor is larger.
    """
    weights, metadata = read_weights(checkpoint)
    halves = {name: as_half(checkpoint, name, value) for name, value in sorted(weights.items())}
    parts: list[dict[str, Tensor]] = [{}]
    room = limit - HEADER_BYTES
    for name, value in halves.items():
        size = value.numel() * value.element_size()
        if size > limit - HEADER_BYTES:
            raise InputError(f"{checkpoint}: weight {name!r} has {size} bytes, a file at most {limit}")
        if size > room:
            parts.append({})
            room = limit - HEADER_BYTES
        parts[-1][name] = value
        room -= size
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / part_name(number, len(parts)) for number in range(1, len(parts) + 1)]
    for old in out.glob("model*.safetensors"):
        old.unlink()
    for path, part in zip(paths, parts, strict=True):
        save_weights(path, part, metadata)
    return paths


def as_half(checkpoint: Path, name: str, value: Tensor) -> Tensor:
    """Converts a floating-point tensor to fp16, and returns others unchanged.

    Raises InputError, which names the checkpoint and the weight, if a value exceeds the range of fp16.
    """
    if not value.is_floating_point():
        return value
    half = value.to(torch.float16)
    if not torch.isfinite(half).all():
        raise InputError(
            f"{checkpoint}: weight {name!r} reaches {float(value.abs().max()):.3g}, above the largest fp16"
            " number 65504"
        )
    return half


def sample_pairs(
    layout: Layout | Bank, splits: Sequence[str], count: int, seed: int
) -> list[tuple[str, Pair]]:
    """Draws `count` pairs and returns them with their splits, alternating splits and kinds.

    Raises InputError if a split holds too few pairs.
    """
    cycle = [(split, kind) for split in splits for kind in KINDS]
    chosen: list[tuple[str, Pair]] = []
    for index in range(count):
        split, kind = cycle[index % len(cycle)]
        round = index // len(cycle)
        chosen.append((split, draw_pairs(layout, split, kind, round + 1, seed)[round]))
    return chosen


def write_samples(
    codec: Codec, layout: Layout | Bank, splits: Sequence[str], out: Path, count: int, seed: int
) -> list[dict[str, Any]]:
    """Writes `count` conversions of held-out pairs as FLAC, with their sources, references and targets.

    Returns the kind, split, files and floored MSTFT of each. The score is of the sounds in the files, so that
    it can be made again from them. Raises InputError if a split holds too few pairs, or a clip cannot be read
    or written.
    """
    examples = []
    for number, (split, pair) in enumerate(sample_pairs(layout, splits, count, seed), start=1):
        keys = {"source": pair.source, "reference": pair.reference, "target": pair.target}
        clips = read_clips(layout, list(keys.values()))
        audio = {role: as_float(clips[key]) for role, key in keys.items()}
        result = codec.convert(audio["source"], audio["reference"], TAKES[pair.kind])
        names = {}
        for role, sound in (*audio.items(), ("made", result.audio)):
            names[role] = f"{number:02d}_{pair.kind}_{split}_{role}.flac"
            write_audio(out / names[role], sound, codec.rate)
        score = example_score(result.audio, audio["target"])
        examples.append({"kind": pair.kind, "split": split, "files": names, METRIC: round(score, 4)})
    return examples


def example_score(converted: Audio, target: Audio) -> float:
    """Returns the floored MSTFT between a conversion and its target, float32 [samples] each."""
    return score(spectral_features(converted), spectral_features(target))[METRIC]
