"""Reads single clips by key, from the shards of a dataset or composed from a tone bank."""

from __future__ import annotations

from collections.abc import Sequence

from manifests.dataset.bank import Bank
from manifests.dataset.clip_audio import I16, decode_flac, read_bytes, shard_rows
from manifests.dataset.layout import Layout
from manifests.types import ClipId, InputError
from train.data.bank.clips import compose_clips


def read_clips(layout: Layout | Bank, keys: Sequence[str]) -> dict[str, I16]:
    """Reads clips by key, each int16 [frames]: FLAC files of a dataset's shards, or composed from a bank.

    Evaluation and pages read a few hundred clips this way. Training reads whole blocks.

    Raises InputError if a key names no clip, or a shard is missing or damaged.

    Example: `read_clips(Layout(Path("dataset")), ["b000012_t00017_e0003_p0042"])`
    """
    if isinstance(layout, Bank):
        return compose_clips(layout, keys)
    shards = dict(
        zip(*(layout.read("blocks").column(name).to_pylist() for name in ("block", "shard")), strict=True)
    )
    clips: dict[str, I16] = {}
    for key in sorted(set(keys)):
        shard = shards.get(ClipId.parse(key).block)
        row = shard_rows(layout, shard).get(key) if shard is not None else None
        if shard is None or row is None:
            raise InputError(f"{layout.root}: no clip {key!r} in this dataset")
        path = layout.inside(shard)
        data = read_bytes(path, row["offset"], row["length"])
        clips[key] = decode_flac(data, row["frames"], row["rate"], f"{path} clip {key}")
    return clips
