"""A checkpoint as it is released: fp16 weights in parts, a card that says what it is, a dozen conversions.

OUT/model-00001-of-00002.safetensors …   below 16 MiB each; `--checkpoint` takes the first
OUT/README.md                            the release card
OUT/clips/01_timbre_….flac               source, reference, target and what the codec makes of them
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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

LIMIT = 16 * 2**20
"""No file of weights is larger, in bytes."""
HEADER = 2**19
"""Room in a file for its metadata and its weights' names."""


def write_parts(checkpoint: Path, out: Path, limit: int = LIMIT) -> list[Path]:
    """Writes a checkpoint's weights as fp16 files of at most `limit` bytes.

    Raises InputError if a single tensor is larger.
    """
    weights, metadata = read_weights(checkpoint)
    halves = {name: as_half(checkpoint, name, value) for name, value in sorted(weights.items())}
    parts: list[dict[str, Tensor]] = [{}]
    room = limit - HEADER
    for name, value in halves.items():
        size = value.numel() * value.element_size()
        if size > limit - HEADER:
            raise InputError(f"{checkpoint}: weight {name!r} alone takes {size} bytes, a file holds {limit}")
        if size > room:
            parts.append({})
            room = limit - HEADER
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
    """A weight in half precision, if it is a real number; InputError if it is beyond what that holds."""
    if not value.is_floating_point():
        return value
    half = value.to(torch.float16)
    if not torch.isfinite(half).all():
        raise InputError(
            f"{checkpoint}: weight {name!r} reaches {float(value.abs().max()):.3g}, fp16 holds 65504"
        )
    return half


def sample_pairs(
    layout: Layout | Bank, splits: Sequence[str], count: int, seed: int
) -> list[tuple[str, Pair]]:
    """`count` pairs with their splits: splits and kinds in turns."""
    turns = [(split, kind) for split in splits for kind in KINDS]
    chosen: list[tuple[str, Pair]] = []
    for place in range(count):
        split, kind = turns[place % len(turns)]
        again = place // len(turns)
        chosen.append((split, draw_pairs(layout, split, kind, again + 1, seed)[again]))
    return chosen


def write_samples(
    codec: Codec, layout: Layout | Bank, splits: Sequence[str], out: Path, count: int, seed: int
) -> None:
    """Writes `count` conversions of held-out pairs as FLAC: source, reference, target, and the codec's."""
    for number, (split, pair) in enumerate(sample_pairs(layout, splits, count, seed), start=1):
        keys = {"source": pair.source, "reference": pair.reference, "target": pair.target}
        clips = read_clips(layout, list(keys.values()))
        audio = {role: as_float(clips[key]) for role, key in keys.items()}
        made = codec.convert(audio["source"], audio["reference"], TAKES[pair.kind])
        for role, sound in (*audio.items(), ("made", made.audio)):
            write_audio(out / f"{number:02d}_{pair.kind}_{split}_{role}.flac", sound, codec.rate)
