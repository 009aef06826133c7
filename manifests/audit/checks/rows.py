"""Checks of the clip rows of one shard: ids, key, values, split, and place in the block.

A clip table has a few thousand rows. It is checked as whole columns, and only a few numbers of each clip are
kept (`ClipColumns`), so that millions of rows take little memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit.findings import Finding, findings_of
from manifests.audit.tables import AXES, Tables
from manifests.splits.splits import SIDES_OF_SPLIT
from manifests.synthesis import compose
from manifests.types import ENVELOPE_FIELDS, SPLITS, ClipId, Envelope

I64 = npt.NDArray[np.int64]
_PLAIN = (
    "block",
    *AXES,
    "offset",
    "length",
    "octave",
    "frames",
    "rate",
    "peak",
    "cut_fade_ms",
    "rms",
    "gain",
)


@dataclass(frozen=True, slots=True)
class ClipColumns:
    """The columns of clip tables that checks over all clips need: one value a clip in each array."""

    ids: I64
    """int64 [n, 4]: block, timbre, envelope, phrase"""
    cover: I64
    """int64 [n]: the timbre that counts for coverage; for a substitute, the one that it stands for"""
    split: npt.NDArray[np.int8]
    """[n]: index into SPLITS, -1 for an unknown one"""
    pcm: npt.NDArray[np.uint64]
    """[n]: the first 64 bits of the PCM hash; 0 for a substitute, whose cell another block may hold"""
    rms: npt.NDArray[np.float32]
    """[n]: linear"""
    audible: npt.NDArray[np.bool_]
    """[n]: whether the phrase reaches sustain and lets the release be heard"""


class RowChecks:
    """Checks of clip tables against the dataset's other tables; made once, called for every clip table."""

    def __init__(
        self, tables: Tables, measured: Mapping[tuple[int, int], Envelope] = MappingProxyType({})
    ) -> None:
        self.tables = tables
        self._measured = measured
        clip = tables.config["clip"]
        self._constants = {
            "frames": compose.to_samples(clip["seconds"], clip["rate"]),
            "rate": clip["rate"],
            "peak": compose.peak_value(clip["peak_dbfs"]),
            "cut_fade_ms": clip["cut_fade_ms"],
        }
        self._counts = {axis: len(tables.axis(axis)) for axis in (*AXES, "block")}
        self._envelopes = {name: tables.envelopes[name].to_numpy() for name in ENVELOPE_FIELDS}
        self._octaves = tables.timbres["octave"].to_numpy()
        self._sides = {axis: tables.axis(axis)["side"].to_numpy() for axis in AXES}
        blocks = tables.blocks
        self._begin = blocks["offset"].to_numpy(dtype=np.float64)
        self._end = self._begin + blocks["length"].to_numpy(dtype=np.float64)
        self._of_shard: dict[str, list[int]] = {}
        for place, shard in enumerate(blocks["shard"]):
            self._of_shard.setdefault(shard, []).append(place)
        self._axes = {axis: blocks[f"{axis}s"].to_numpy() for axis in AXES}
        self._block_ids = blocks["block"].to_numpy()
        self._clips = blocks["clips"].to_numpy()
        self._split = blocks["split"].to_numpy()

    def __call__(self, shard: str, table: pa.Table) -> tuple[list[Finding], ClipColumns]:
        """Returns the findings of a shard's clip table, and its columns that later checks need."""
        column: dict[str, Any] = {name: table[name].to_numpy() for name in _PLAIN}
        ids = np.stack([column[name].astype(np.int64) for name in ("block", *AXES)], axis=1)
        inside = {name: _between(ids[:, i], self._counts[name]) for i, name in enumerate(("block", *AXES))}
        valid = np.logical_and.reduce(list(inside.values()))
        keys = table["key"]
        found: list[Finding] = []

        def wrong(check: str, flags: npt.NDArray[np.bool_], what: str) -> None:
            if flags.any():
                found.extend(
                    findings_of(check, ((keys[int(i)].as_py(), what) for i in np.flatnonzero(flags)))
                )

        for name, flags in inside.items():
            wrong("ids", ~flags, f"has a {name} id that no row has")
        wrong("keys", _differs(keys, _keys(table)), "does not spell its row's ids")
        known = np.flatnonzero(valid)
        for name in ENVELOPE_FIELDS:
            expected = self._envelopes[name][column["envelope"][known]]
            values = (
                table[name].to_numpy() if name != "curve" else np.asarray(table[name].to_pylist(), object)
            )
            if self._measured:
                pairs = zip(column["timbre"][known], column["envelope"][known], expected, strict=True)
                stated = [
                    getattr(self._measured[t, e], name) if (t, e) in self._measured else own
                    for t, e, own in pairs
                ]
                expected = np.asarray(stated, dtype=object if name == "curve" else np.float64)
            wrong("values", _at(known, values[known] != expected, len(ids)), f"{name} is not its envelope's")
        octaves = column["octave"][known] != self._octaves[column["timbre"][known]]
        wrong("values", _at(known, octaves, len(ids)), "octave is not its timbre's")
        for name, value in self._constants.items():
            wrong("values", column[name] != value, f"{name} is not the configured {value}")
        rms, gain = column["rms"], column["gain"]
        wrong("values", ~((rms > 0.0) & (rms <= 1.0)), "rms is not above 0 and up to 1")
        wrong("values", ~((gain > 0.0) & np.isfinite(gain)), "gain is not a number above 0")
        wrong("blocks", _differs(table["shard"], shard), "shard is not the one whose table it is in")
        found += self._block_findings(shard, ids, column, known)
        split = table["split"].to_pylist()
        found += self._side_findings(keys, ids, split, known)
        substitutes = table["substitutes"]
        cover = pc.coalesce(substitutes, table["timbre"]).to_numpy().astype(np.int64)
        pcm = np.where(pc.is_null(substitutes).to_numpy(), _digests(table["pcm_sha256"]), 0).astype(np.uint64)
        code = {name: index for index, name in enumerate(SPLITS)}
        splits = np.array([code.get(name, -1) for name in split], dtype=np.int8)
        audible = table["sustain_reached"].to_numpy() & table["release_heard"].to_numpy()
        return found, ClipColumns(ids, cover, splits, pcm, rms.astype(np.float32), audible)

    def _block_findings(self, shard: str, ids: I64, column: dict[str, Any], known: I64) -> Iterator[Finding]:
        """Checks that the shard's blocks are full factorials in order, each within its bytes."""
        blocks = self._of_shard.get(shard, [])
        expected = [self._cells(block) for block in blocks]
        wanted = np.concatenate(expected) if expected else np.empty((0, 4), dtype=np.int64)
        ordered = ids[np.lexsort((column["offset"], ids[:, 0]))]
        if not np.array_equal(wanted, ordered):
            counts = np.bincount(ids[known, 0], minlength=self._counts["block"])
            for block, cells in zip(blocks, expected, strict=True):
                if counts[block] != self._clips[block]:
                    what = f"has {counts[block]} clip rows, its row says {self._clips[block]}"
                    yield Finding("blocks", f"block {block}", what)
                elif not np.array_equal(cells, ordered[ordered[:, 0] == block]):
                    yield Finding(
                        "blocks", f"block {block}", "its clips are not the product of its ids, in order"
                    )
            foreign = sorted(set(ids[known, 0].tolist()) - set(blocks))
            yield from findings_of(
                "blocks", ((f"block {b}", f"has rows in {shard}, not its shard") for b in foreign)
            )
        block = ids[known, 0]
        begin, end = column["offset"][known], column["offset"][known] + column["length"][known]
        # Not (inside), so that a block without a place (NaN) is found too.
        out = known[~((begin >= self._begin[block]) & (end <= self._end[block]))]
        yield from findings_of("blocks", ((clip_key(ids[i]), "lies outside its block's bytes") for i in out))

    def _cells(self, block: int) -> I64:
        """Lists a block's cells, int64 [n, 4], in the tar's order: by timbre, then phrase, then envelope."""
        t, e, p = (np.asarray(self._axes[axis][block], dtype=np.int64) for axis in AXES)
        count = len(t) * len(p) * len(e)
        cells = np.empty((count, 4), dtype=np.int64)
        cells[:, 0] = self._block_ids[block]
        cells[:, 1] = np.repeat(t, len(p) * len(e))
        cells[:, 2] = np.tile(e, len(t) * len(p))
        cells[:, 3] = np.tile(np.repeat(p, len(e)), len(t))
        return cells

    def _side_findings(self, keys: pa.Array, ids: I64, split: list[str], known: I64) -> Iterator[Finding]:
        """Checks that each clip has its block's split, and ids of the split's sides."""
        of_block = self._split[ids[known, 0]]
        names = np.array(split, dtype=object)[known]
        yield from findings_of(
            "blocks", ((keys[int(i)].as_py(), "split is not its block's") for i in known[of_block != names])
        )
        for place, axis in enumerate(AXES):
            sides = self._sides[axis][ids[known, place + 1]]
            for name in sorted(set(names)):
                want = SIDES_OF_SPLIT[name][place] if name in SIDES_OF_SPLIT else None
                bad = known[(names == name) & (sides != want)]
                what = f"{axis} of the wrong side for {name}"
                yield from findings_of("leak", ((keys[int(i)].as_py(), what) for i in bad))


def _between(values: I64, count: int) -> npt.NDArray[np.bool_]:
    return (values >= 0) & (values < count)


def _at(places: I64, flags: Any, count: int) -> npt.NDArray[np.bool_]:
    """Spreads flags of some places over all `count`; the other places are False."""
    spread = np.zeros(count, dtype=bool)
    spread[places] = np.asarray(flags, dtype=bool)
    return spread


def _differs(column: pa.ChunkedArray, expected: Any) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = pc.not_equal(column, expected).to_numpy(zero_copy_only=False)
    return flags


def _keys(table: pa.Table) -> pa.ChunkedArray:
    """Spells the key of each row from its ids."""

    def digits(name: str, width: int) -> pa.ChunkedArray:
        return pc.utf8_lpad(pc.cast(table[name], pa.string()), width, "0")

    return pc.binary_join_element_wise(
        "b", digits("block", 6), "_t", digits("timbre", 5), "_e", digits("envelope", 4),
        "_p", digits("phrase", 4), "",
    )  # fmt: skip


def clip_key(ids: I64) -> str:
    """Spells the key of a clip from its ids, [4]: block, timbre, envelope, phrase."""
    return ClipId(*(int(value) for value in ids)).key


def _digests(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Returns the first 64 bits of each hexadecimal SHA-256, uint64 [n]; 0 where it is malformed."""
    digits = pc.replace_substring_regex(column, "^.*[^0-9a-f].*$|^.{0,63}$|^.{65,}$", "0" * 64)
    raw = np.frombuffer("".join(pc.utf8_slice_codeunits(digits, 0, 16).to_pylist()).encode(), dtype=np.uint8)
    nibbles = np.where(raw >= 97, raw - 87, raw - 48).reshape(-1, 16).astype(np.uint64)
    shifts = np.arange(60, -1, -4, dtype=np.uint64)
    return np.asarray((nibbles << shifts).sum(axis=1, dtype=np.uint64))
