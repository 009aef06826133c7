"""Sections of distributions: parameters as configured and as drawn, loudness and brightness by split."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup

from manifests.audit.checks.figures import brightness_hz
from manifests.audit.checks.rows import ClipColumns
from manifests.audit.page import draw
from manifests.audit.page.coverage import SIDES, sides_of
from manifests.audit.page.sections import Figure, Grid, Section, Table
from manifests.audit.tables import Tables
from manifests.dataset.rows import notes_of
from manifests.types import SPLITS

F64 = npt.NDArray[np.float64]

MAX_GROUPS = 8
"""Families of envelopes, and synths, that are drawn."""
MAX_PARAMETERS = 60
"""Parameters of a synth that are drawn, and synths that are counted."""
UNITS = {"attack_ms": "ms", "hold_ms": "ms", "decay_ms": "ms", "sustain": "", "release_ms": "ms"}
"""The values of an envelope with their units."""

SPLITS_NOTE = (
    "Bars reach from 5% to 95% of a split's clips, the dot is the median. Splits of the same ids should be"
    " alike. A few unseen timbres may well be darker or brighter than the others."
)
PARAMETERS_NOTE = Markup(
    '<b class="train">Train</b> and <b class="test">test</b>, stacked. The <b class="asked">line</b> below is'
    " the configured range; a value outside it is a finding. The dashed line is the height that uniform draws"
    " would have. A note counts as often as clips play it."
)


def splits_section(figures: dict[str, dict[str, float]], tables: Tables, clips: ClipColumns) -> Section:
    """Makes the section of counts, loudness and brightness by split; `figures` are those of the report."""
    if not figures:
        return Section("Splits", "No clip rows could be read.")
    titles = ["split", "clips", "hours", "timbres", "envelopes", "phrases", "whole envelope heard"]
    rows = [
        [
            split, f"{of['clips']:,.0f}", f"{of['hours']:,.2f}", f"{of['timbres']:,.0f}",
            f"{of['envelopes']:,.0f}", f"{of['phrases']:,.0f}", f"{of['whole_envelope_share']:.1%}",
        ]
        for split, of in figures.items()
    ]  # fmt: skip
    loudness = [
        (split, of["rms_dbfs_5"], of["rms_dbfs_median"], of["rms_dbfs_95"]) for split, of in figures.items()
    ]
    hertz, brightness = brightness_hz(tables), []
    for split in figures:
        timbres = clips.ids[clips.split == SPLITS.index(split), 1]
        known = timbres[(timbres >= 0) & (timbres < len(hertz))]
        low, middle, high = np.quantile(hertz[known], (0.05, 0.5, 0.95))
        brightness.append((split, float(low), float(middle), float(high)))
    pictures = [
        Figure("loudness of clips: RMS", draw.quantile_bars(loudness, "dBFS")),
        Figure("brightness of clips: spectral centroid", draw.quantile_bars(brightness, "Hz")),
    ]
    return Section("Splits", SPLITS_NOTE, [Table(titles, rows), Grid(pictures, wide=True)])


def parameters_section(tables: Tables, clips: ClipColumns) -> Section:
    """Makes the section of histograms: each value of each family of envelopes, then the notes."""
    figures = []
    families = list(tables.envelopes.groupby("family"))
    sides = pd.Series(sides_of(tables, "envelope"), index=tables.envelopes.index)
    for family, rows in families[:MAX_GROUPS]:
        configured = tables.config["envelopes"].get(family, {})
        for name, unit in UNITS.items():
            bounds = configured.get(name)
            asked = (bounds["low"], bounds["high"]) if isinstance(bounds, dict) else None
            groups = _by_side(sides[rows.index].to_numpy(), rows[name].to_numpy(dtype=np.float64))
            figures.append(Figure(f"{family}: {name}", draw.histogram(groups, unit, asked, even=True)))
    note = PARAMETERS_NOTE
    if len(families) > MAX_GROUPS:
        note += Markup(" The first {} of {} families.").format(MAX_GROUPS, len(families))
    return Section("Parameters", note, [Grid([*figures, *_note_histograms(tables, clips)])])


def _by_side(sides: npt.NDArray[np.object_], values: F64) -> list[draw.Group]:
    """Groups values [n] by the side of each, [n]."""
    return [(side, values[sides == side], None) for side in SIDES if (sides == side).any()]


class NoteHistogram(NamedTuple):
    """A histogram of notes: values [n], each as often as `weights` [n] says, and the configured range."""

    caption: str
    values: F64
    weights: F64
    unit: str
    asked: tuple[float, float] | None
    bins: int


def _note_histograms(tables: Tables, clips: ClipColumns) -> list[Figure]:
    """Draws the number, pitch, duration and velocity of notes."""
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
    pitches = (tones["lowest_pitch"], tones["highest_pitch"])
    counts = np.array([len(notes) for notes in played], dtype=np.float64)
    pitch = np.array([note.pitch for note in every], dtype=np.float64)
    duration = np.array([note.duration for note in every])
    velocity = np.array([note.velocity for note in every], dtype=np.float64)
    histograms = (
        NoteHistogram("notes of a phrase", counts, plays, "", generate.get("notes"), 16),
        NoteHistogram("pitch of notes", pitch, times, "MIDI", pitches, 32),
        NoteHistogram("duration of notes", duration, times, "s", None, 26),
        NoteHistogram("velocity of notes", velocity, times, "", generate.get("velocity"), 26),
    )
    return [
        Figure(h.caption, draw.histogram([("plain", h.values, h.weights)], h.unit, h.asked, bins=h.bins))
        for h in histograms
    ]


def timbres_section(tables: Tables, failures: Counter[str]) -> Section:
    """Makes the section of timbres: counts by synth, measurements, and the parameters of each synth.

    `failures` counts the presets of each synth that failed.
    """
    frame, sides = tables.timbres, sides_of(tables, "timbre")
    asked: Counter[str] = Counter()
    for wanted in tables.config["timbres"]:
        asked[str(wanted["synth"])] += int(wanted["count"])
    made = Counter(frame["synth"])
    rows = []
    for synth in sorted(asked | made)[:MAX_PARAMETERS]:
        unseen = int((sides[(frame["synth"] == synth).to_numpy()] != "train").sum())
        rows.append([synth, asked[synth], made[synth], unseen, failures[synth]])
    octave, variation_db = (frame[name].to_numpy(np.float64) for name in ("octave", "level_variation_db"))
    steady = (0.0, float(tables.config["tones"]["max_level_variation_db"]))
    figures = [
        Figure("octave", draw.histogram(_by_side(sides, octave), "", bins=9)),
        Figure("brightness", draw.histogram(_by_side(sides, brightness_hz(tables)), "Hz")),
        Figure("level's variation", draw.histogram(_by_side(sides, variation_db), "dB", steady)),
    ]
    note = (
        "Timbres by synth, as configured and as made. A strip shows where the values of one parameter"
        " of a synth lie, from the least to the greatest."
    )
    counts = Table(["synth", "configured", "made", "unseen", "presets that failed"], rows)
    return Section("Timbres", note, [counts, Grid(figures), Grid(_parameter_strips(frame), wide=True)])


def _parameter_strips(frame: pd.DataFrame) -> list[Figure]:
    """For each synth, draw the parameters that differ among its timbres."""
    figures = []
    for synth, rows in list(frame.groupby("synth"))[:MAX_GROUPS]:
        values: dict[str, list[float]] = {}
        for parameters in rows["parameters"]:
            for name, value in parameters.items():
                values.setdefault(str(name), []).append(float(value))
        moving = {name: np.array(of) for name, of in values.items() if min(of) < max(of)}
        if moving:
            shown = dict(sorted(moving.items())[:MAX_PARAMETERS])
            caption = f"{synth}: {len(moving)} of {len(values)} parameters differ"
            more = f", {len(shown)} drawn" if len(shown) < len(moving) else ""
            figures.append(Figure(caption + more, draw.density_strips(shown)))
    return figures
