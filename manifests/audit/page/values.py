"""The page's distributions: every parameter as it was configured and as it is found; levels by split."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from manifests.audit.checks.figures import brightness_hz
from manifests.audit.checks.rows import Kept
from manifests.audit.page import draw
from manifests.audit.page.coverage import SIDES, sides_of
from manifests.audit.page.markup import figure, grid, section, table
from manifests.audit.tables import Tables
from manifests.dataset.rows import notes_of
from manifests.types import SPLITS

FAMILIES, STRIPS = 8, 60
"""Families of envelopes, and parameters of a synth, that are drawn."""
ENVELOPE = {"attack_ms": "ms", "hold_ms": "ms", "decay_ms": "ms", "sustain": "", "release_ms": "ms"}
Groups = list[tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64] | None]]


def splits(figures: dict[str, dict[str, float]], tables: Tables, clips: Kept) -> str:
    """Counts, loudness and brightness by split."""
    if not figures:
        return section("Splits", "No clip rows could be read.", "")
    titles = ["split", "clips", "hours", "timbres", "envelopes", "phrases", "whole envelope heard"]
    rows = [
        [
            split, f"{of['clips']:,.0f}", f"{of['hours']:,.2f}", f"{of['timbres']:,.0f}",
            f"{of['envelopes']:,.0f}", f"{of['phrases']:,.0f}", f"{of['whole_envelope_share']:.1%}",
        ]
        for split, of in figures.items()
    ]  # fmt: skip
    loud = [
        (split, of["rms_dbfs_5"], of["rms_dbfs_median"], of["rms_dbfs_95"]) for split, of in figures.items()
    ]
    bright, bands = brightness_hz(tables), []
    for split in figures:
        timbres = clips.ids[clips.split == SPLITS.index(split), 1]
        known = timbres[(timbres >= 0) & (timbres < len(bright))]
        low, middle, high = np.quantile(bright[known], (0.05, 0.5, 0.95))
        bands.append((split, float(low), float(middle), float(high)))
    pictures = [
        figure("loudness of clips: RMS", draw.ranges(loud, "dBFS")),
        figure("brightness of clips: spectral centroid", draw.ranges(bands, "Hz")),
    ]
    note = (
        "The bars reach from 5% to 95% of a split's clips, the dot is the median. Splits of the same ids"
        " should be alike; a few unseen timbres may well be darker or brighter than the others."
    )
    return section("Splits", note, table(titles, rows) + grid(pictures, wide=True))


def parameters(tables: Tables, clips: Kept) -> str:
    """Envelopes by family, and the notes."""
    pictures = []
    families = list(tables.envelopes.groupby("family"))
    sides = pd.Series(sides_of(tables, "envelope"), index=tables.envelopes.index)
    for family, rows in families[:FAMILIES]:
        configured = tables.config["envelopes"].get(family, {})
        for name, unit in ENVELOPE.items():
            bounds = configured.get(name)
            asked = (bounds["low"], bounds["high"]) if isinstance(bounds, dict) else None
            groups = _by_side(sides[rows.index].to_numpy(), rows[name].to_numpy(dtype=np.float64))
            pictures.append(figure(f"{family}: {name}", draw.histogram(groups, unit, asked, even=True)))
    note = (
        '<b class="train">Train</b> and <b class="test">test</b>, stacked. The <b class="asked">line</b>'
        " below is the configured range, a value outside it a finding; the dashed one is the height that"
        " values drawn evenly would have. Notes count as often as clips play them."
    )
    if len(families) > FAMILIES:
        note += f" The first {FAMILIES} of {len(families)} families."
    return section("Parameters", note, grid([*pictures, *_notes(tables, clips)]))


def _by_side(sides: npt.NDArray[np.object_], values: npt.NDArray[np.float64]) -> Groups:
    return [(side, values[sides == side], None) for side in SIDES if (sides == side).any()]


def _notes(tables: Tables, clips: Kept) -> list[str]:
    phrase = clips.ids[:, 3]
    known = phrase[(phrase >= 0) & (phrase < len(tables.phrases))]
    plays = np.bincount(known, minlength=len(tables.phrases)).astype(np.float64)
    played = [notes_of(row) for row in tables.phrases.to_dict("records")]
    times = np.repeat(plays, [len(notes) for notes in played])
    every = [note for notes in played for note in notes]
    tones = tables.config["tones"]
    # Where all phrases were generated, their number of notes and velocities are configured.
    phrases = tables.config["phrases"]
    generate = (phrases.get("generated") or {}).get("generate", {}) if not phrases.get("midi") else {}
    whole = tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64], str, Any, int]
    drawn: list[whole] = [
        (
            "notes of a phrase", np.array([len(n) for n in played], dtype=np.float64), plays, "",
            generate.get("notes"), 16,
        ),
        (
            "pitch of notes", np.array([n.pitch for n in every], dtype=np.float64), times, "MIDI",
            (tones["lowest_pitch"], tones["highest_pitch"]), 32,
        ),
        ("duration of notes", np.array([n.duration for n in every]), times, "s", None, 26),
        (
            "velocity of notes", np.array([n.velocity for n in every], dtype=np.float64), times, "",
            generate.get("velocity"), 26,
        ),
    ]  # fmt: skip
    return [
        figure(caption, draw.histogram([("plain", values, weights)], unit, asked, bins=bins))
        for caption, values, weights, unit, asked, bins in drawn
    ]


def timbres(tables: Tables, failures: Counter[str]) -> str:
    """Timbres by synth against the config, what was measured on them, and the synths' parameters."""
    frame, sides = tables.timbres, sides_of(tables, "timbre")
    asked: Counter[str] = Counter()
    for wanted in tables.config["timbres"]:
        asked[str(wanted["synth"])] += int(wanted["count"])
    found = Counter(frame["synth"])
    rows = []
    for synth in sorted(asked | found)[:STRIPS]:
        unseen = int((sides[(frame["synth"] == synth).to_numpy()] != "train").sum())
        rows.append([synth, asked[synth], found[synth], unseen, failures[synth]])
    numbers = {name: frame[name].to_numpy(dtype=np.float64) for name in ("octave", "level_variation_db")}
    steady = (0.0, float(tables.config["tones"]["max_level_variation_db"]))
    pictures = [
        figure("octave", draw.histogram(_by_side(sides, numbers["octave"]), "", bins=9)),
        figure("brightness", draw.histogram(_by_side(sides, brightness_hz(tables)), "Hz")),
        figure(
            "level's variation", draw.histogram(_by_side(sides, numbers["level_variation_db"]), "dB", steady)
        ),
    ]
    note = "Configured and found, by synth; where values of a synth's parameters lie, least to greatest."
    counts = table(["synth", "configured", "found", "unseen", "presets that failed"], rows)
    return section("Timbres", note, counts + grid(pictures) + grid(_strips(frame), wide=True))


def _strips(frame: pd.DataFrame) -> list[str]:
    """For each synth the parameters that differ among its timbres."""
    pictures = []
    for synth, rows in list(frame.groupby("synth"))[:FAMILIES]:
        values: dict[str, list[float]] = {}
        for given in rows["parameters"]:
            for name, value in given.items():
                values.setdefault(str(name), []).append(float(value))
        moving = {name: np.array(of) for name, of in values.items() if min(of) < max(of)}
        if moving:
            shown = dict(sorted(moving.items())[:STRIPS])
            caption = f"{synth}: {len(moving)} of {len(values)} parameters differ"
            more = f", {len(shown)} drawn" if len(shown) < len(moving) else ""
            pictures.append(figure(caption + more, draw.strips(shown)))
    return pictures
