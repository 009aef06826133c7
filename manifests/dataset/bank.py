"""Reads tone banks: every timbre's tones as shards of their own, from which a trainer composes clips.

    bank/                      by default `tones/` in the dataset's folder; complete without it
      bank.json                schema version, fingerprint, clip format, families of envelopes and phrases
      README.md                its card
      timbres.parquet envelopes.parquet phrases.parquet blocks.parquet     as planned, the same splits
      shard-000000.tar …       per timbre `t00017.npy`, int16 [tones, frames], and `t00017.json`
      shard-000000.parquet …   one row a tone: where it lies, scale, loop points; commits the shard
      tone_shards.parquet      written last: marks the bank as complete

A clip composed from it by `manifests.synthesis.compose` equals the rendered clip. Beyond `loop_end` a tone
continues at `loop_start`. If only every n-th semitone is kept, the nearest tone is resampled to a pitch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.dataset.canonical import sha256_json
from manifests.dataset.layout import Layout, TableFolder, read_header, read_table
from manifests.dataset.schema import SCHEMA_VERSION
from manifests.types import InputError

VERSION = 1
"""Version of a bank's format."""
FOLDER = "tones"
"""A bank's default place in its dataset's folder."""
JSON = "bank.json"
COPIED = ("timbres", "envelopes", "phrases", "blocks")
"""The dataset's tables that a bank copies."""
FADE = 256
"""Samples at a tone's end that are cross-faded to the samples before `loop_start`."""

I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bank(TableFolder):
    """The paths and tables of one bank folder, local or remote.

    Example: `Bank(Path("dataset/tones")).shards()`.
    """

    @property
    def json(self) -> Path:
        return self.root / JSON

    def metadata(self) -> dict[str, Any]:
        """Reads `bank.json`; raises InputError if it is missing, malformed, edited or of another schema."""
        loaded = read_header(self.json, "bank made by `python -m render tones`")
        of = loaded.get("fingerprint_of", {})
        if of.get("bank") != VERSION:
            raise InputError(f"{self.json}: bank version {of.get('bank')}, this program reads {VERSION}")
        if loaded.get("fingerprint") != sha256_json(of):
            raise InputError(f"{self.json}: `fingerprint` is not the hash of `fingerprint_of`: it was edited")
        return loaded

    def every(self) -> int:
        """Returns the distance of the kept pitches in semitones; raises InputError like `metadata`."""
        return int(self.metadata()["fingerprint_of"]["every"])

    def tone_table(self, shard: str) -> Path:
        """Returns the table that commits a shard: shard-000000.tar -> shard-000000.parquet."""
        return self.inside(shard).with_suffix(".parquet")

    def committed(self) -> set[str]:
        return {f"{path.stem}.tar" for path in self.root.glob("shard-*.parquet")}

    def shards(self) -> list[dict[str, Any]]:
        """Reads tone_shards.parquet; raises InputError, with the shard's name, if the bank is incomplete."""
        if not self.table("tone_shards").exists():
            raise InputError(
                f"{self.root}: the bank is not finished (no tone_shards.parquet);"
                " run `python -m render tones` again"
            )
        rows: list[dict[str, Any]] = self.read("tone_shards").to_pylist()
        for row in rows:
            path = self.inside(row["shard"])
            if not path.exists():
                raise InputError(f"{path}: shard is missing; run `python -m render tones` again")
            if (found := path.stat().st_size) != row["bytes"]:
                raise InputError(
                    f"{path}: truncated or foreign: has {found} bytes, its row in {self.table('tone_shards')}"
                    f" says {row['bytes']}"
                )
        return rows

    def tones(self, shard: str) -> pa.Table:
        """Reads a shard's table of tones; raises InputError unless it belongs to this bank, at its rate."""
        metadata, path = self.metadata(), self.tone_table(shard)
        table = read_table(path, "tones")
        header = json.loads((table.schema.metadata or {}).get(b"triptych_bank", b"{}"))
        if header.get("fingerprint") != metadata["fingerprint"]:
            raise InputError(
                f"{path}: belongs to another bank: fingerprint {str(header.get('fingerprint'))[:12]}…,"
                f" {JSON} says {metadata['fingerprint'][:12]}…"
            )
        rate = metadata["fingerprint_of"]["rate"]
        if rates := set(table.column("rate").to_pylist()) - {rate}:
            raise InputError(f"{path}: tones at {rates.pop()} Hz, {JSON} says {rate} Hz")
        return table


def is_bank(root: Path) -> bool:
    """Returns whether a folder holds a tone bank."""
    return (root / JSON).exists()


def open_folder(root: Path) -> Layout | Bank:
    """Opens a folder as a tone bank if it is one, else as a dataset.

    >>> from pathlib import Path
    >>> type(open_folder(Path("dataset"))).__name__
    'Layout'
    """
    return Bank(root) if is_bank(root) else Layout(root)


def fingerprint_of(dataset: str, every: int, clip: dict[str, Any], fresh: dict[str, Any]) -> dict[str, Any]:
    """Returns everything that a bank depends on, for its fingerprint.

    `clip` is the clips' format: `rate` in Hz, `frames`, `peak` as int16, `cut_fade_ms`, block sizes `block`.
    `fresh` holds the families that new envelopes and phrases are drawn from.

    >>> fingerprint_of("a1b2", 2, {"rate": 44_100}, {})["every"]
    2
    """
    return {
        "bank": VERSION,
        "schema": SCHEMA_VERSION.split(".")[0],
        "dataset": dataset,
        "every": every,
        **clip,
        "fresh": fresh,
    }


def kept_pitches(lowest: int, highest: int, every: int) -> range:
    """Returns the pitches (MIDI) of a bank that keeps every n-th semitone, from the lowest on.

    >>> list(kept_pitches(48, 54, 3))
    [48, 51, 54]
    """
    return range(lowest, highest + 1, every)


def source_pitch(pitch: int, pitches: Sequence[int]) -> int:
    """Returns the kept pitch that a pitch is resampled from: the nearest, and of two the lower one.

    >>> source_pitch(50, [48, 51, 54])
    51
    """
    return min(pitches, key=lambda kept: (abs(kept - pitch), kept))


def read_places(count: int, loop_start: int, loop_end: int) -> I64:
    """Returns the indices of a tone's samples that a note of `count` samples reads: int64 [count], looped.

    Each is place p = 0, 1, …: p itself below `loop_end`, from there on
    loop_start + (p - loop_start) mod (loop_end - loop_start).

    >>> read_places(7, 2, 5).tolist()
    [0, 1, 2, 3, 4, 2, 3]
    """
    places = np.arange(count, dtype=np.int64)
    looped = loop_start + (places - loop_start) % (loop_end - loop_start)
    return np.where(places < loop_end, places, looped)
