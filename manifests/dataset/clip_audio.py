"""Clips out of shards, local or remote: byte ranges of the tar, FLAC decoded to int16, nothing unpickled.

Where a FLAC file lies comes from the clip table, and the tar is read only there. A tar's own headers, names
and other members are never trusted.
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from manifests.dataset.layout import Layout, read_table
from manifests.dataset.storage import read_range
from manifests.synthesis.compose import FULL_SCALE
from manifests.types import InputError

I16 = npt.NDArray[np.int16]

CLIP_COLUMNS = ["key", "offset", "length", "frames", "rate"]


def as_float(pcm: I16) -> npt.NDArray[np.float32]:
    """Converts int16 samples to float32 of the same shape. Full scale is 32767, as clips are composed.

    >>> as_float(np.array([32767, -32767], dtype=np.int16)).tolist()
    [1.0, -1.0]
    """
    return np.asarray(pcm / np.float32(FULL_SCALE), dtype=np.float32)


def decode_flac(data: bytes, frames: int, rate: int, where: str) -> I16:
    """Decodes a FLAC file to int16 [frames].

    Raises InputError, which names `where`, unless it is mono at `rate` Hz and has that many frames.

    Example: `decode_flac(data, 132_300, 44_100, "clip b000000_t00000_e0000_p0000")`.
    """
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
    """Reads `length` bytes of a shard from `offset` on, by one read or request.

    Raises InputError if the shard is missing, cannot be read, or ends before.

    Example: `read_bytes(layout.inside(shard), offset=512, length=20_000)`.
    """
    try:
        data = read_range(path, offset, length)
    except FileNotFoundError:
        raise InputError(f"{path}: shard is missing; run `python -m render run` again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]})") from None
    if len(data) != length:
        raise InputError(f"{path}: truncated: {length} bytes expected at {offset}, {len(data)} there")
    return data


def clip_sound(layout: Layout, row: Any) -> tuple[npt.NDArray[np.float32], int]:
    """Reads a clip by its row as it is stored, whatever its format: float32 [samples], and its rate in Hz.

    `row` is a row of a clip table, a mapping or a pandas Series. Raises OSError if its shard cannot be read,
    and soundfile.SoundFileError if the bytes are no audio.

    Example: `clip_sound(layout, row)[1]` is 44100.
    """
    data = read_range(layout.inside(row["shard"]), int(row["offset"]), int(row["length"]))
    sound, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    return sound, rate


@lru_cache(maxsize=16)
def shard_rows(layout: Layout, shard: str) -> dict[str, dict[str, Any]]:
    """Returns the clip rows of a shard by key (columns `CLIP_COLUMNS`); the last few shards stay cached.

    Example: `shard_rows(layout, "shards/train/shard-000000.tar")`.
    """
    rows = read_table(layout.clip_table(shard), "clips").select(CLIP_COLUMNS).to_pylist()
    return {row["key"]: row for row in rows}
