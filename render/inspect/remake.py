"""Renders clips again from the manifest alone and compares them bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from manifests.dataset.layout import read_table
from manifests.synthesis.compose import F32, I16, pcm_sha256, to_int16
from manifests.types import ClipId, InputError
from presets.host.client import GroupFailure
from render.clips.clips import encode_flac
from render.clips.dataset import MachineFault, PlannedDataset
from render.clips.player import PluginPlayer


@dataclass(frozen=True, slots=True)
class Remade:
    """A clip rendered again: its key, FLAC bytes, and SHA-256 of its PCM beside the manifest's.

    `comparable` is False if its synth is not deterministic; `same` then means nothing.
    """

    key: str
    flac: bytes
    pcm_sha256: str
    expected_sha256: str
    comparable: bool

    @property
    def same(self) -> bool:
        return self.pcm_sha256 == self.expected_sha256


def _row(dataset: PlannedDataset, key: str) -> dict[str, Any]:
    clip = ClipId.parse(key)
    if clip.block >= dataset.blocks.num_rows:
        raise InputError(f"clip {key}: {dataset.root} has {dataset.blocks.num_rows} blocks only")
    path = dataset.layout.clip_table(dataset.block(clip.block)["shard"])
    table = read_table(path, "clips")
    rows: list[dict[str, Any]] = table.filter(pc.equal(table["key"], key)).to_pylist()
    if len(rows) != 1:
        raise InputError(f"clip {key}: {len(rows)} rows of that key in {path}, expected one")
    return rows[0]


def remake(root: Path, keys: Iterable[str]) -> Iterator[Remade]:
    """Renders each clip of `keys` again, in order.

    Raises InputError for an unknown key, and MachineFault if this machine cannot render the clip.

    Example: `next(remake(Path("dataset"), ["b000000_t00000_e0000_p0000"])).same`.
    """
    dataset = PlannedDataset(root)
    rows = [_row(dataset, key) for key in keys]
    made = _played(dataset, rows) if dataset.config.shaping == "plugin" else _composed(dataset, rows)
    for row, pcm in zip(rows, made, strict=True):
        flac = encode_flac(pcm, dataset.clip_spec.rate, dataset.clip_spec.flac_level)
        timbre = dataset.timbres[row["timbre"]]
        # Tones that were kept are the same, whatever the synth does; a plugin's own clips are not.
        is_kept = dataset.config.shaping == "renderer" and kept_exists(dataset, timbre["tones_sha256"])
        comparable = bool(timbre["deterministic"]) or is_kept
        yield Remade(row["key"], flac, pcm_sha256(pcm), row["pcm_sha256"], comparable)


def kept_exists(dataset: PlannedDataset, sha256: str) -> bool:
    """Returns whether the dataset keeps the tones with this hash."""
    path = dataset.layout.kept_tones(sha256)
    return path.with_name(f"{path.name}.json").exists()


def _composed(dataset: PlannedDataset, rows: list[dict[str, Any]]) -> Iterator[I16]:
    composer = dataset.composer()
    for row in rows:
        yield composer.pcm(ClipId.parse(row["key"]))[0]


def _played(dataset: PlannedDataset, rows: list[dict[str, Any]]) -> Iterator[I16]:
    """Yields each clip from its whole group, played again. Consecutive rows share a group's audio."""
    player = PluginPlayer(dataset)
    kept: tuple[str, list[F32]] | None = None
    for row in rows:
        group = player.group(dataset.block(row["block"]), row["timbre"])
        if kept is None or kept[0] != group.address:
            try:
                kept = (group.address, player.play(group))
            except GroupFailure as failure:
                raise MachineFault(f"clip {row['key']}: its preset fails here now: {failure}") from None
        yield to_int16(kept[1][row["group_index"]], dataset.clip_spec.peak)[0]
