"""Reads what the trainer needs of a dataset's tables. No audio is read here.

Ids equal row places in the three factor tables, so a list is indexed by id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from manifests.dataset.bank import Bank, open_folder
from manifests.dataset.layout import Layout, TableFolder, read_table
from manifests.dataset.rows import envelope_of, measured_envelopes, notes_of
from manifests.dataset.storage import is_local, list_files
from manifests.synthesis.octaves import transpose
from manifests.types import ClipId, Envelope, InputError, Notes


class Block(NamedTuple):
    """One block: its ids on three axes, and its byte range in the shard."""

    block: int
    shard: str
    timbres: tuple[int, ...]
    phrases: tuple[int, ...]
    envelopes: tuple[int, ...]
    offset: int
    length: int

    @property
    def clips(self) -> int:
        return len(self.timbres) * len(self.phrases) * len(self.envelopes)

    def ids(self) -> list[ClipId]:
        """Returns the ids of the block's clips in the order of the tar."""
        return [
            ClipId(self.block, timbre, envelope, phrase)
            for timbre in self.timbres
            for phrase in self.phrases
            for envelope in self.envelopes
        ]


@dataclass(frozen=True)
class Tables:
    """Factor tables of a dataset or tone bank, and its clip format: rate in Hz, frames, cut fade in ms."""

    layout: Layout | Bank
    envelopes: list[Envelope]
    phrases: list[Notes]
    timbre_names: list[str]
    timbre_octaves: list[int]
    train_timbres: list[int]
    rate: int
    frames: int
    cut_fade_ms: float
    measured: dict[tuple[int, int], Envelope] = field(default_factory=dict)
    """What is played in place of an envelope, by timbre and envelope, where labels are measured."""

    def envelope_of(self, timbre: int, envelope: int) -> Envelope:
        """Returns the envelope that a clip's row states.

        Example: `tables.envelope_of(clip.timbre, clip.envelope).decay_ms`.
        """
        return self.measured.get((timbre, envelope), self.envelopes[envelope])

    @classmethod
    def open(cls, root: Path) -> Tables:
        """Reads and checks the tables of a dataset or a tone bank at `root`.

        Raises InputError, which names the fault, if a table is missing or malformed.

        Example: `Tables.open(Path("dataset")).rate` is 44100.
        """
        layout = open_folder(root)
        layout.metadata()
        timbres = layout.read("timbres").to_pylist()
        rate, frames, cut_fade_ms = _clip_format(layout)
        return cls(
            layout=layout,
            envelopes=[envelope_of(row) for row in _by_id(layout, "envelopes", "envelope")],
            phrases=[notes_of(row) for row in _by_id(layout, "phrases", "phrase")],
            timbre_names=[str(row["name"]) for row in timbres],
            timbre_octaves=[int(row["octave"]) for row in timbres],
            train_timbres=[int(row["timbre"]) for row in timbres if row["side"] == "train"],
            rate=rate,
            frames=frames,
            cut_fade_ms=cut_fade_ms,
            measured=measured_envelopes(layout),
        )

    @property
    def rendered(self) -> Layout:
        """The dataset's folder. Raises InputError for a tone bank, which holds no rendered clips."""
        if isinstance(self.layout, Bank):
            raise InputError(f"{self.layout.root}: is a tone bank; its clips are composed, not read")
        return self.layout

    def blocks(self, split: str) -> list[Block]:
        """Returns the readable blocks of a split in order of their ids. See `split_blocks` for errors."""
        return split_blocks(self.layout, split)

    def sounding_notes(self, timbre: int, phrase: int) -> Notes:
        """Returns the sounding notes of a clip: the phrase, transposed by the timbre's octave."""
        return transpose(self.phrases[phrase], 12 * self.timbre_octaves[timbre])


def readable_blocks(layout: Layout | Bank) -> list[dict[str, Any]]:
    """Reads the rows of blocks whose clips can be read: the rendered ones, or all of a bank."""
    rows: list[dict[str, Any]] = layout.read("blocks").to_pylist()
    return rows if isinstance(layout, Bank) else [row for row in rows if row["offset"] is not None]


def split_blocks(layout: Layout | Bank, split: str) -> list[Block]:
    """Returns the blocks of a split that can be read, in order of their ids.

    Raises InputError if there is none, or a shard is missing or of another size than its row says.
    """
    blocks = [
        Block(
            row["block"], row["shard"], tuple(row["timbres"]), tuple(row["phrases"]),
            tuple(row["envelopes"]), row["offset"] or 0, row["length"] or 0,
        )
        for row in readable_blocks(layout)
        if row["split"] == split
    ]  # fmt: skip
    if not blocks:
        where = layout.table("blocks")
        raise InputError(f"{where}: split {split!r} has no rendered block; {_unfinished(layout)}")
    if isinstance(layout, Bank):
        layout.shards()
        return sorted(blocks)
    _check_sizes(layout, {block.shard for block in blocks})
    return sorted(blocks)


def _unfinished(layout: TableFolder) -> str:
    return f"`python -m render status {layout.root}` tells whether the dataset is finished"


def _check_sizes(layout: TableFolder, shards: set[str]) -> None:
    """Raises InputError if a shard is missing or of another size, now rather than hours into a run."""
    try:
        expected = {row["shard"]: row["bytes"] for row in layout.read("shards").to_pylist()}
    except InputError as error:
        raise InputError(f"{error}; {_unfinished(layout)}") from None
    there: dict[str, int] = {}
    if not is_local(layout.root):
        # One listing takes an object store as long as a query for one file.
        there = {f"shards/{name}": size for name, size in list_files(layout.root / "shards").items()}
    for shard in sorted(shards):
        path = layout.inside(shard)
        if is_local(path) and path.exists():
            there[shard] = path.stat().st_size
        size = there.get(shard)
        if size is None:
            raise InputError(f"{path}: shard is missing; run `python -m render run` again")
        if size != expected.get(shard):
            raise InputError(
                f"{path}: truncated or foreign: has {size} bytes, its row in {layout.table('shards')} says"
                f" {expected.get(shard)}"
            )


def _clip_format(layout: Layout | Bank) -> tuple[int, int, float]:
    if isinstance(layout, Bank):
        described = layout.metadata()["fingerprint_of"]
        return described["rate"], described["frames"], described["cut_fade_ms"]
    for path in layout.clip_tables():
        table = read_table(path, "clips")
        formats = {
            (row["rate"], row["frames"], row["cut_fade_ms"])
            for row in table.select(["rate", "frames", "cut_fade_ms"]).to_pylist()
        }
        if len(formats) != 1:
            raise InputError(
                f"{path}: clips of one dataset share rate, frames and cut_fade_ms; found {formats}"
            )
        return formats.pop()
    raise InputError(f"{layout.root}: no clip table below clips/; render the dataset first")


def _by_id(layout: TableFolder, table: str, column: str) -> list[dict[str, Any]]:
    loaded = layout.read(table)
    ids = loaded.column(column)
    if ids.to_pylist() != list(range(len(ids))):
        raise InputError(f"{layout.table(table)}: column {column!r} is not 0..{len(ids) - 1} in order")
    rows: list[dict[str, Any]] = loaded.to_pylist()
    return rows
