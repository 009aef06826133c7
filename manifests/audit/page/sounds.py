"""Section of clips to listen to: a few of each split, with what their rows say of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import soundfile

from manifests.audit.findings import DATA_ERRORS
from manifests.audit.page import draw
from manifests.audit.page.sections import Figure, Grid, Section
from manifests.audit.tables import Tables
from manifests.dataset.layout import Layout, read_table, to_pandas
from manifests.dataset.rows import envelope_of, notes_of
from manifests.dataset.storage import read_range
from manifests.splits.seeds import permutation
from manifests.synthesis import compose
from manifests.types import InputError

CLIPS_PER_SPLIT = 2
MAX_BYTES = 4_000_000
"""Bytes of all sounds of a page together; where clips are long, it holds fewer of them."""
MAX_FRAMES = 10_000_000
"""Frames that are decoded of one clip, whatever its header claims."""


def clips_section(layout: Layout, tables: Tables, seed: int) -> Section:
    """Makes the section of players; `seed` chooses the clips."""
    left, figures = MAX_BYTES, []
    for row in _chosen_rows(layout, tables, seed):
        if 0 < row["length"] <= left and (figure := _clip_figure(layout, tables, row)):
            left -= int(row["length"])
            figures.append(figure)
    note = "Chosen by the seed. The line is the gain of the phrase under the row's envelope."
    if not figures:
        note = "No audio could be read."
    return Section("Clips", note, [Grid(figures)])


def _chosen_rows(layout: Layout, tables: Tables, seed: int) -> Iterator[dict[str, Any]]:
    """Yields the first chosen row of each split, then the second; a split's are of one clip table."""
    chosen: list[list[dict[str, Any]]] = []
    for split, shards in tables.shards.groupby("split", sort=False):
        shard = shards["shard"].iat[int(permutation(seed, len(shards), "page", str(split))[0])]
        try:
            rows = to_pandas(read_table(layout.clip_table(shard), "clips"))
        except InputError:
            continue
        places = permutation(seed, len(rows), "page clips", str(split))[:CLIPS_PER_SPLIT]
        chosen.append(rows.iloc[places].to_dict("records"))
    for place in range(CLIPS_PER_SPLIT):
        yield from (rows[place] for rows in chosen if place < len(rows))


def _clip_figure(layout: Layout, tables: Tables, row: dict[str, Any]) -> Figure | None:
    """Makes a clip's figure; None if its shard is missing or does not hold it, which the audit reports."""
    try:
        data = read_range(layout.inside(row["shard"]), int(row["offset"]), int(row["length"]))
        sound, rate = soundfile.read(io.BytesIO(data), frames=MAX_FRAMES, dtype="float32", always_2d=True)
        notes = notes_of(tables.phrases.iloc[int(row["phrase"])].to_dict())
        name = str(tables.timbres["name"].iat[int(row["timbre"])])
        envelope = envelope_of(row)
        gain = compose.gain(notes, envelope, rate, len(sound), float(row["cut_fade_ms"]))
    except (*DATA_ERRORS, soundfile.LibsndfileError):
        return None
    facts = (
        f"attack {envelope.attack_ms:g}, hold {envelope.hold_ms:g}, decay {envelope.decay_ms:g},"
        f" release {envelope.release_ms:g} ms, sustain {envelope.sustain:g}; phrase {row['phrase']}"
    )
    return Figure(
        caption=row["split"],
        picture=draw.waveform(np.abs(sound).max(axis=1), gain),
        key=row["key"],
        flac=base64.b64encode(data).decode(),
        name=name,
        facts=facts,
    )
