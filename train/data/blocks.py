"""Clips out of shards, local or remote: byte ranges of the tar, FLAC decoded to int16, nothing unpickled.

Where a FLAC file lies comes from the clip table, and the tar is only ever read there: a tar's own
headers, names and other members are never trusted.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from manifests.dataset.bank import Bank
from manifests.dataset.layout import Layout
from manifests.dataset.storage import read_range
from manifests.synthesis.compose import FULL_SCALE
from manifests.types import ClipId, InputError
from train.data.bank.clips import compose_clips
from train.data.tables import shard_rows

I16 = npt.NDArray[np.int16]


def as_float(pcm: I16) -> npt.NDArray[np.float32]:
    """Samples at the full scale that clips are composed at: 1 is 32767."""
    return np.asarray(pcm / np.float32(FULL_SCALE), dtype=np.float32)


def decode(data: bytes, frames: int, rate: int, where: str) -> I16:
    """One FLAC file's samples, int16 [frames]; InputError names the clip if they are not that."""
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            found = (file.channels, file.samplerate)
            samples: I16 = file.read(dtype="int16")
    except soundfile.SoundFileError as error:
        raise InputError(f"{where}: not a readable FLAC file ({error}); the shard is damaged") from None
    if found != (1, rate) or len(samples) != frames:
        raise InputError(
            f"{where}: {found[0]} channels, {found[1]} Hz, {len(samples)} frames;"
            f" its row says 1, {rate} and {frames}"
        )
    return samples


def read_bytes(path: Path, offset: int, length: int) -> bytes:
    """`length` bytes of a shard from `offset` on, by one read or request; InputError if it has them not."""
    try:
        data = read_range(path, offset, length)
    except FileNotFoundError:
        raise InputError(f"{path}: shard is missing; run `python -m render run` again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]})") from None
    if len(data) != length:
        raise InputError(f"{path}: truncated: {length} bytes expected at {offset}, {len(data)} there")
    return data


def read_clips(layout: Layout, keys: Sequence[str]) -> dict[str, I16]:
    """Clips by key, from wherever in the dataset they lie: int16 [frames] each.

    For evaluation and pages, which need a few hundred clips; training reads whole blocks.
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
        clips[key] = decode(data, row["frames"], row["rate"], f"{path} clip {key}")
    return clips
