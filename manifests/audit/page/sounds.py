"""The page's sounds: a few clips of each split, to listen to, with what their rows say of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import soundfile

from manifests.audit.findings import BROKEN
from manifests.audit.page import draw
from manifests.audit.page.markup import grid, section, words
from manifests.audit.tables import Tables
from manifests.dataset.layout import Layout, read_table, to_pandas
from manifests.dataset.rows import envelope_of, notes_of
from manifests.dataset.storage import read_range
from manifests.splits.seeds import permutation
from manifests.synthesis import compose
from manifests.types import InputError

EACH = 2
"""Clips of each split."""
BYTES = 4_000_000
"""All sounds of a page together are no larger; longer clips, fewer of them."""
FRAMES = 10_000_000
"""No more is decoded of one clip, whatever its header says."""


def sounds(layout: Layout, tables: Tables, seed: int) -> str:
    """The players, as a section."""
    left, pictures = BYTES, []
    for row in _chosen(layout, tables, seed):
        if 0 < row["length"] <= left and (picture := _sound(layout, tables, row)):
            left -= int(row["length"])
            pictures.append(picture)
    note = "Drawn by the seed. The line is the gain that the row's envelope gives the phrase."
    if not pictures:
        note = "No audio could be read."
    return section("Clips", note, grid(pictures))


def _chosen(layout: Layout, tables: Tables, seed: int) -> Iterator[dict[str, Any]]:
    """The first row of each split, then the second: each split out of one of its clip tables."""
    found: list[list[dict[str, Any]]] = []
    for split, shards in tables.shards.groupby("split", sort=False):
        shard = shards["shard"].iat[int(permutation(seed, len(shards), "page", str(split))[0])]
        try:
            rows = to_pandas(read_table(layout.clip_table(shard), "clips"))
        except InputError:
            continue
        places = permutation(seed, len(rows), "page clips", str(split))[:EACH]
        found.append(rows.iloc[places].to_dict("records"))
    for place in range(EACH):
        yield from (rows[place] for rows in found if place < len(rows))


def _sound(layout: Layout, tables: Tables, row: dict[str, Any]) -> str:
    """A clip's figure; empty where its shard is not there or does not hold it (the audit says so)."""
    try:
        data = read_range(layout.inside(row["shard"]), int(row["offset"]), int(row["length"]))
        sound, rate = soundfile.read(io.BytesIO(data), frames=FRAMES, dtype="float32", always_2d=True)
        notes = notes_of(tables.phrases.iloc[int(row["phrase"])].to_dict())
        name = tables.timbres["name"].iat[int(row["timbre"])]
        envelope = envelope_of(row)
        gain = compose.gain(notes, envelope, rate, len(sound), float(row["cut_fade_ms"]))
    except (*BROKEN, soundfile.LibsndfileError):
        return ""
    audio = base64.b64encode(data).decode()
    picture = draw.waveform(np.abs(sound).max(axis=1), gain)
    player = f'<audio controls preload="metadata" src="data:audio/flac;base64,{audio}"></audio>'
    caption = f"<figcaption>{words(row['split'])}<br><code>{words(row['key'])}</code></figcaption>"
    facts = (
        f"attack {envelope.attack_ms:g}, hold {envelope.hold_ms:g}, decay {envelope.decay_ms:g},"
        f" release {envelope.release_ms:g} ms, sustain {envelope.sustain:g}; phrase {row['phrase']}"
    )
    return f'<figure>{caption}{picture}{player}<p class="facts"><b>{words(name)}</b><br>{facts}</p></figure>'
