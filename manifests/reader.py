"""A rendered dataset as an object: open a folder or URL, query its tables, iterate its triplets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from manifests.dataset.bank import is_bank
from manifests.dataset.card import card_of
from manifests.dataset.clip_audio import I16, as_float, decode_flac, read_bytes, shard_rows
from manifests.dataset.layout import FOLDER_TABLES, OPTIONAL_TABLES, Layout, to_pandas
from manifests.dataset.query import query
from manifests.dataset.rows import envelope_of, notes_of
from manifests.dataset.storage import location
from manifests.splits.seeds import permutation, stream
from manifests.synthesis.octaves import transpose
from manifests.types import SPLITS, ClipId, Envelope, InputError, Notes

TripletKind: TypeAlias = Literal["timbre", "envelope", "both"]
KINDS: tuple[TripletKind, ...] = get_args(TripletKind)
AXES = ("timbres", "envelopes", "phrases")


@dataclass(frozen=True, slots=True)
class RenderedClip:
    """One clip of a dataset.

    Attributes:
        id: Its block, timbre, envelope and phrase; `id.key` is its name.
        pcm: int16 [frames], mono; full scale is 32767.
        rate: Sample rate in Hz.
        notes: The notes as they sound: onsets and durations in s, MIDI pitches, velocities 1..127.
        envelope: Times in ms, sustain a level 0..1.
    """

    id: ClipId
    pcm: I16
    rate: int
    notes: Notes
    envelope: Envelope

    @property
    def audio(self) -> npt.NDArray[np.float32]:
        """The samples as float32 [frames], full scale 1."""
        return as_float(self.pcm)


@dataclass(frozen=True, slots=True)
class Triplet:
    """Source, reference and target of a conversion whose answer is known: three clips of one block.

    Source and reference differ in timbre, envelope and phrase. The target has the source's phrase, what
    `kind` names (the timbre, the envelope or both) of the reference, and the rest of the source.
    """

    kind: TripletKind
    source: RenderedClip
    reference: RenderedClip
    target: RenderedClip


class Dataset:
    """A dataset folder, local or at a URL such as s3://bucket/folder.

    Nothing but tables is read until clips are asked for; those are read by byte ranges of the shards.

    Example::

        dataset = Dataset("demo/dataset")
        dataset.query("SELECT synth, count(*) AS timbres FROM timbres GROUP BY synth")
        for triplet in dataset.triplets(split="validation", kind="timbre"):
            train_on(triplet.source.audio, triplet.reference.audio, triplet.target.audio)
    """

    def __init__(self, folder: str | Path) -> None:
        """Opens a dataset.

        Raises InputError if there is no dataset, or if it is a tone bank. Raises it also for a schema of
        another version, and for a kind of URL that cannot be opened.
        """
        root = location(folder) if isinstance(folder, str) else folder
        if is_bank(root):
            raise InputError(f"{root}: a tone bank, which stores no clips; open the dataset it was made from")
        self.layout = Layout(root)
        self.metadata: dict[str, Any] = self.layout.metadata()
        """The contents of dataset.json."""

    def __repr__(self) -> str:
        return f"Dataset({str(self.layout.root)!r})"

    def __len__(self) -> int:
        """The number of clips, over all splits. Raises InputError if the dataset is not finished."""
        return sum(self.layout.read("shards").column("clips").to_pylist())

    @property
    def name(self) -> str:
        """The name that its config gives it."""
        return str(self.metadata["name"])

    @property
    def fingerprint(self) -> str:
        """The SHA-256, in hex, of all that its samples depend on."""
        return str(self.metadata["fingerprint"])

    @property
    def card(self) -> str:
        """Its card as Markdown. Raises InputError if the dataset is not finished."""
        return card_of(self.layout)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits that have rendered clips."""
        there = {row["split"] for row in self._blocks}
        return tuple(split for split in SPLITS if split in there)

    def query(self, sql: str) -> pd.DataFrame:
        """Runs SQL over the views clips, timbres, envelopes, phrases, blocks, shards and failures.

        Raises InputError if the query is wrong, or duckdb is not installed.

        Example::

            dataset.query("SELECT key FROM clips WHERE split = 'train' AND attack_ms < 20")
        """
        return query(self.layout, sql)

    def table(self, name: str) -> pd.DataFrame:
        """Reads one table: timbres, envelopes, phrases, blocks, shards or failures.

        Raises InputError if the name is none of them, or the table is not there.
        """
        if name not in (known := (*FOLDER_TABLES, *OPTIONAL_TABLES)):
            raise InputError(f"table {name!r}: expected one of {', '.join(known)}")
        return to_pandas(self.layout.read(name))

    def clips(self, split: str | None = None) -> pd.DataFrame:
        """Reads the rows of all clips, or of one split's, in the order of the shards.

        `python -m manifests schema` prints what each column means. Raises InputError if there is no such
        split.
        """
        if split is not None:
            self._check_split(split)
        return to_pandas(self.layout.read_clips(split))

    def read(self, key: str) -> RenderedClip:
        """Reads one clip by its key, such as "b000012_t00017_e0003_p0042".

        Raises InputError if the key is malformed, if there is no such clip, or if its shard cannot be read.
        """
        id = ClipId.parse(key)
        shard = next((row["shard"] for row in self._blocks if row["block"] == id.block), None)
        row = shard_rows(self.layout, shard).get(key) if shard is not None else None
        if shard is None or row is None:
            raise InputError(f"{self.layout.root}: no clip {key!r} in this dataset")
        path = self.layout.inside(shard)
        return self._clip(id, read_bytes(path, row["offset"], row["length"]), row, f"{path} clip {key}")

    def triplets(
        self, split: str = "train", kind: TripletKind = "both", *, seed: int = 0
    ) -> Iterator[Triplet]:
        """Iterates over triplets of a split: each of its clips is the target once.

        Blocks come in an order drawn from `seed`, and so are source and reference: pass the epoch's number to
        draw others. The clips of a block follow each other, so shuffle in a buffer before training. One
        range is read per block and each clip is decoded once.

        Args:
            split: train, validation, or one of the test splits.
            kind: What the target takes from the reference: "timbre", "envelope" or "both".
            seed: Seed of the order and of the partners.

        Raises InputError if there is no such split or kind, or if a shard cannot be read.
        """
        if kind not in KINDS:
            raise InputError(f"kind {kind!r}: expected one of {', '.join(KINDS)}")
        self._check_split(split)
        blocks = [row for row in self._blocks if row["split"] == split]
        # A block with one id on an axis holds no clip that differs there.
        blocks = [row for row in blocks if min(len(row[axis]) for axis in AXES) > 1]
        order = permutation(seed, len(blocks), "triplet blocks", split, kind).tolist()
        return (triplet for place in order for triplet in self._block_triplets(blocks[place], kind, seed))

    def _block_triplets(self, block: dict[str, Any], kind: TripletKind, seed: int) -> Iterator[Triplet]:
        clips = self._block_clips(block)
        for target in clips.values():
            draws = stream(seed, "triplet", kind, target.id.key).random(3).tolist()
            own = (target.id.timbre, target.id.envelope, target.id.phrase)
            timbre, envelope, phrase = (
                _other(block[axis], id, draw) for axis, id, draw in zip(AXES, own, draws, strict=True)
            )
            # What is taken, the reference shares with the target; the source shares the rest, and the phrase.
            timbres = (own[0], timbre) if kind != "envelope" else (timbre, own[0])
            envelopes = (own[1], envelope) if kind != "timbre" else (envelope, own[1])
            reference = ClipId(block["block"], timbres[0], envelopes[0], phrase)
            source = ClipId(block["block"], timbres[1], envelopes[1], own[2])
            yield Triplet(kind, clips[source], clips[reference], target)

    def _block_clips(self, block: dict[str, Any]) -> dict[ClipId, RenderedClip]:
        """The clips of a block, from one range of its shard, in the order of the tar."""
        path = self.layout.inside(block["shard"])
        data = read_bytes(path, block["offset"], block["length"])
        rows = shard_rows(self.layout, block["shard"])
        clips = {}
        for timbre in block["timbres"]:
            for phrase in block["phrases"]:
                for envelope in block["envelopes"]:
                    id = ClipId(block["block"], timbre, envelope, phrase)
                    row = rows.get(id.key)
                    if row is None:
                        raise InputError(
                            f"{self.layout.clip_table(block['shard'])}: no row for clip {id.key}"
                        )
                    start = row["offset"] - block["offset"]
                    flac = data[max(start, 0) : start + row["length"]]
                    clips[id] = self._clip(id, flac, row, f"{path} clip {id.key}")
        return clips

    def _clip(self, id: ClipId, flac: bytes, row: dict[str, Any], where: str) -> RenderedClip:
        pcm = decode_flac(flac, row["frames"], row["rate"], where)
        notes = transpose(self._phrases[id.phrase], 12 * self._octaves[id.timbre])
        return RenderedClip(id, pcm, row["rate"], notes, self._envelopes[id.envelope])

    def _check_split(self, split: str) -> None:
        if split not in self.splits:
            there = ", ".join(self.splits) or "none; `python -m render status` says how far it is"
            raise InputError(
                f"{self.layout.root}: no rendered clips of split {split!r}; splits there: {there}"
            )

    @cached_property
    def _blocks(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.layout.read("blocks").to_pylist()
        return [row for row in rows if row["offset"] is not None]

    # Ids equal row places in the tables of the three factors.
    @cached_property
    def _envelopes(self) -> list[Envelope]:
        return [envelope_of(row) for row in self.layout.read("envelopes").to_pylist()]

    @cached_property
    def _phrases(self) -> list[Notes]:
        return [notes_of(row) for row in self.layout.read("phrases").to_pylist()]

    @cached_property
    def _octaves(self) -> list[int]:
        return [int(octave) for octave in self.layout.read("timbres").column("octave").to_pylist()]


def _other(ids: list[int], avoid: int, draw: float) -> int:
    """One of `ids` that is not `avoid`, by a number in [0, 1)."""
    rest = [id for id in ids if id != avoid]
    return rest[int(draw * len(rest))]
