"""Writes and commits one shard: a tar of its blocks' clips, and the clip table that commits it.

The tar is written under `.work/tmp`, synced, and linked into place. The clip table follows and names the
tar's SHA-256 in its metadata: a shard is committed once its table exists. Both are created only if absent,
so two runs on one folder cannot harm each other: the second one drops its work.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from manifests.dataset import files
from manifests.dataset.canonical import canonical_json, sha256_file
from manifests.dataset.layout import Layout, table_bytes, to_table
from render.clips.clips import Clip

if TYPE_CHECKING:
    from webdataset.writer import TarWriter

TAR_OWNER = "triptych"
TAR_MTIME = 0
HEADER = 512
WRITE_BYTES = 1 << 20


class HashingWriter(io.RawIOBase):
    """A write-only file that hashes what passes through it, so that a shard need not be read again."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256, self.bytes = file, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        written = self.file.write(data)
        self.sha256.update(memoryview(data)[:written])
        self.bytes += written
        return written


def tar_writer() -> type[TarWriter]:
    """Returns webdataset's TarWriter, imported without torch.

    The package imports torch if it is installed, which costs two seconds and 300 MB per worker. A renderer
    never uses torch, so torch is hidden during the import.
    """
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        writer: type[TarWriter] = import_module("webdataset.writer").TarWriter
    finally:
        if hidden:
            del sys.modules["torch"]
    return writer


def pack(
    clips: Iterable[Clip], split: str, shard: str, target: Path
) -> tuple[list[dict[str, Any]], str, int]:
    """Writes clips to the tar `target`; returns their rows, the tar's SHA-256 and its size in bytes."""
    rows = []
    with target.open("wb", buffering=0) as file:
        hashing = HashingWriter(file)
        with (
            io.BufferedWriter(hashing, WRITE_BYTES) as buffered,
            tar_writer()(
                buffered, encoder=False, mtime=TAR_MTIME, user=TAR_OWNER, group=TAR_OWNER, compress=False
            ) as tar,
        ):
            for clip in clips:
                # TarWriter stores a sample's files in order of their extension: flac, then json.
                offset = tar.tarstream.offset + HEADER
                tar.write({"__key__": clip.key, "flac": clip.flac, "json": clip.sidecar})
                rows.append(
                    {**clip.row, "split": split, "shard": shard, "offset": offset, "length": len(clip.flac)}
                )
    return rows, hashing.sha256.hexdigest(), hashing.bytes


def block_extents(rows: Iterable[dict[str, Any]], sidecars: dict[str, int]) -> Iterator[tuple[int, int, int]]:
    """Yields (block, offset, length) in bytes of each block in the tar, headers and padding included.

    `sidecars` maps each key to the byte length of its JSON.
    """

    def padded(length: int) -> int:
        return -(-length // HEADER) * HEADER

    extents: dict[int, tuple[int, int]] = {}
    for row in rows:
        start = row["offset"] - HEADER
        end = row["offset"] + padded(row["length"]) + HEADER + padded(sidecars[row["key"]])
        first, last = extents.get(row["block"], (start, end))
        extents[row["block"]] = (min(first, start), max(last, end))
    for block, (first, last) in sorted(extents.items()):
        yield block, first, last - first


def write_shard(
    layout: Layout,
    split: str,
    shard: str,
    clips: Iterable[Clip],
    scratch: Path,
    failures: Sequence[dict[str, Any]] = (),
) -> bool:
    """Writes and commits one shard; returns False if another process committed it meanwhile.

    `failures` are rows of failures.parquet. The list may grow while `clips` are iterated.
    """
    final, table_path = layout.inside(shard), layout.clip_table(shard)
    sidecars: dict[str, int] = {}

    def noted() -> Iterator[Clip]:
        for clip in clips:
            sidecars[clip.key] = len(clip.sidecar)
            yield clip

    with files.temporary(scratch, final.name) as tar, files.temporary(scratch, table_path.name) as table_file:
        rows, sha256, size = pack(noted(), split, shard, tar)
        table = to_table(
            "clips",
            rows,
            {
                "triptych_shard": canonical_json(
                    {
                        "shard": shard,
                        "sha256": sha256,
                        "bytes": size,
                        "blocks": [list(extent) for extent in block_extents(rows, sidecars)],
                        "failures": list(failures),
                    }
                ).decode()
            },
        )
        table_file.write_bytes(table_bytes(table))
        if table_path.exists():
            return False
        if not files.create_once(tar, final) and (not table_path.exists() and sha256_file(final) != sha256):
            # No table commits the other tar, and it differs from ours: it is not part of the dataset.
            files.supersede(tar, final)
        return files.create_once(table_file, table_path)


def shard_note(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """Reads a clip table's metadata: shard, sha256, bytes, blocks [[id, offset, length]], failures."""
    note: dict[str, Any] = json.loads(metadata[b"triptych_shard"])
    return note
