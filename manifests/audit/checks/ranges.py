"""Range check: every drawn value lies in its configured range; and why cells are missing, if any are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from manifests.audit.checks.rows import I64
from manifests.audit.findings import Finding, findings_of
from manifests.audit.tables import AXES, Tables
from manifests.dataset.rows import notes_of
from manifests.splits.splits import SIDES_OF_SPLIT
from manifests.synthesis.recipe_parameters import is_altered
from manifests.types import DEFAULT_CURVE, InputError, check_notes

ROUNDING = {"sustain": 0.001, "ms": 0.1}
"""Grid that values are rounded to: one may lie up to a step outside its range."""


def range_findings(tables: Tables) -> Iterator[Finding]:
    """Checks envelopes against their family, phrases against the tones, timbres against the config."""
    config = tables.config
    for name, rows in tables.envelopes.groupby("family"):
        family = config["envelopes"].get(name)
        if not isinstance(family, dict):
            yield Finding("range", f"envelopes of {name}", "are of no configured family")
            continue
        for field in ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms"):
            bounds, step = family.get(field), ROUNDING.get(field, ROUNDING["ms"])
            if isinstance(bounds, dict):
                low, high = bounds["low"] - step, bounds["high"] + step
                out = rows[~rows[field].between(low, high)]
                outside = f"is outside the {bounds['low']:g}..{bounds['high']:g} of {name}"
                defects = (
                    (f"envelope {r['envelope']}", f"{field} {r[field]:g} {outside}")
                    for _, r in out.iterrows()
                )
                yield from findings_of("range", defects)
        for row in rows[rows["curve"] != family.get("curve", DEFAULT_CURVE)].itertuples():
            yield Finding("range", f"envelope {row.envelope}", f"curve {row.curve} is not that of {name}")
    yield from _phrase_findings(tables.phrases, config)
    yield from _timbre_findings(tables.timbres, config)


def _phrase_findings(phrases: pd.DataFrame, config: dict[str, Any]) -> Iterator[Finding]:
    low, high = config["tones"]["lowest_pitch"], config["tones"]["highest_pitch"]
    for row in phrases.to_dict("records"):
        where = f"phrase {row['phrase']}"
        notes = notes_of(row)
        try:
            check_notes(notes, config["clip"]["seconds"])
        except InputError as error:
            yield Finding("range", where, str(error))
            continue
        pitches = [note.pitch for note in notes]
        if min(pitches) < low or max(pitches) > high:
            what = f"pitches {min(pitches)}..{max(pitches)} go beyond the tones' {low}..{high}"
            yield Finding("range", where, what)


def _timbre_findings(timbres: pd.DataFrame, config: dict[str, Any]) -> Iterator[Finding]:
    tones = config["tones"]
    known = {timbres["synth"] for timbres in config["timbres"]}
    for row in timbres.itertuples():
        where = f"timbre {row.timbre}"
        if not len(row.fingerprint) or not np.isfinite(row.fingerprint).all():
            yield Finding("range", where, "its fingerprint is not a list of levels")
        if row.synth not in known:
            yield Finding("range", where, f"is of {row.synth}, which is not configured")
        # An altered timbre was checked before it was altered: unsteadiness may be what was added.
        if row.level_variation_db > tones["max_level_variation_db"] and not is_altered(row.parameters):
            variation = f"{row.level_variation_db:.2f} dB, {tones['max_level_variation_db']:g} allowed"
            yield Finding("range", where, f"its level varies by {variation}")


def missing_cells(split: str, present: I64, tables: Tables) -> str:
    """Describes the first cell of a split's product without a clip: in a block, or in none.

    Args:
        split: Name of the split.
        present: Numbers of the cells that have a clip (`completeness.cell_numbers`), [n].
        tables: The dataset's tables.

    Returns:
        The text to append to a finding, empty if no cell is missing.
    """
    counts = [len(tables.axis(axis)) for axis in AXES]
    ids = [
        np.flatnonzero((tables.axis(axis)["side"] == side).to_numpy())
        for axis, side in zip(AXES, SIDES_OF_SPLIT[split], strict=True)
    ]
    product = (ids[0][:, None, None] * counts[1] + ids[1][:, None]) * counts[2] + ids[2]
    missing = np.setdiff1d(product.ravel(), present)
    if not len(missing):
        return ""
    first = int(missing[0])
    cell = (first // counts[2] // counts[1], first // counts[2] % counts[1], first % counts[2])
    name = " ".join(f"{axis} {value}" for axis, value in zip(AXES, cell, strict=True))
    covers = ("train", "validation") if split == "train" else (split,)
    blocks = tables.blocks[tables.blocks["split"].isin(covers)]
    for row in blocks.itertuples():
        planned = getattr(row, "planned", None)
        timbres = row.timbres if planned is None else planned
        if cell[0] in timbres and cell[1] in row.envelopes and cell[2] in row.phrases:
            return f"; missing: {len(missing)}, first {name}, of block {row.block} in {row.shard}"
    return f"; missing: {len(missing)}, first {name}, of which no block holds a cell"
