"""Making clips again from their manifest rows and the tables alone, and comparing them bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from manifests.compose import pcm_sha256
from manifests.layout import read_table
from manifests.vocabulary import BadInput, ClipId
from render.clips import encode_flac
from render.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Remade:
    """A clip made again: its key, FLAC bytes, and whether its PCM is the manifest's, bit for bit."""

    key: str
    flac: bytes
    pcm_sha256: str
    expected_sha256: str

    @property
    def same(self) -> bool:
        return self.pcm_sha256 == self.expected_sha256


def _row(dataset: Dataset, key: str) -> dict[str, Any]:
    clip = ClipId.parse(key)
    if clip.block >= len(dataset.blocks):
        raise BadInput(f"clip {key}: {dataset.root} has {len(dataset.blocks)} blocks only")
    path = dataset.layout.clip_table(dataset.blocks[clip.block]["shard"])
    table = read_table(path, "clips")
    rows: list[dict[str, Any]] = table.filter(pc.equal(table["key"], key)).to_pylist()
    if len(rows) != 1:
        raise BadInput(f"clip {key}: {len(rows)} rows of that key in {path}, expected one")
    return rows[0]


def remake(root: Path, keys: Iterable[str]) -> Iterator[Remade]:
    """Makes each clip again. BadInput for a key that is not there, MachineFault where this machine can't."""
    dataset = Dataset(root)
    composer = dataset.composer()
    rows = [_row(dataset, key) for key in keys]
    for row in rows:
        pcm, _ = composer.pcm(ClipId.parse(row["key"]))
        flac = encode_flac(pcm, dataset.clip_spec.rate, dataset.clip_spec.flac_level)
        yield Remade(row["key"], flac, pcm_sha256(pcm), row["pcm_sha256"])
