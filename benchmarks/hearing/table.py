"""Scores what systems heard in test sets, as rows and as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.hearing.clip_set import Heard, Truth, read_heard, read_truths
from benchmarks.hearing.notes import can_be_heard, note_scores
from train.metrics.envelope import GATE_MS, STEP_MS, gain_db

COLUMNS = {
    "onset": ("onset F1", 3),
    "pitch": ("with pitch", 3),
    "pitch_told": ("octave told", 3),
    "offset_told": ("with offset", 3),
    "offset_heard_told": ("offset heard", 3),
    "offset_played_told": ("offset played", 3),
    "held_db": ("held, dB", 2),
    "release_db": ("release, dB", 2),
    "octave": ("octave right", 2),
}
"""Columns of the table: a score of `clip_scores`, its heading and its decimals."""


def clip_scores(heard: Heard, truth: Truth) -> dict[str, float]:
    """Computes all scores of what was heard in a clip, by name.

    Besides those of `note_scores` they are `held_db` and `release_db`, mean absolute differences of the
    stated and the true gain on the standard note, and `octave`, 1 if it is right. Scores whose truth is not
    known are left out, and so are those of an envelope or octave that the system never states. A release
    counts where a note-off can be heard.
    """
    scores: dict[str, float] = {}
    release_heard = False
    if truth.notes is not None:
        scores = note_scores(heard.notes, truth.notes, truth.envelope, truth.seconds)
        if truth.envelope is not None:
            release_heard = any(can_be_heard(truth.notes, truth.envelope, truth.seconds))
    if truth.envelope is not None and truth.states_envelope:
        apart = np.abs(gain_db(heard.envelope) - gain_db(truth.envelope))
        gate = round(GATE_MS / STEP_MS)
        scores["held_db"] = float(apart[:gate].mean())
        if release_heard:
            scores["release_db"] = float(apart[gate:].mean())
    if truth.octave is not None:
        scores["octave"] = float(heard.octave == truth.octave)
    return scores


def score_test_sets(folders: Sequence[Path]) -> pd.DataFrame:
    """Scores every system in test sets: one row for each set, system and clip; nan where there is no score.

    Raises InputError if a folder is no test set.
    """
    rows = []
    for folder in folders:
        truths = read_truths(folder)
        for system, heard in read_heard(folder).items():
            states_envelope = any(one.envelope is not None for one in heard.values())
            states_octave = any(one.octave is not None for one in heard.values())
            for truth in truths:
                scores = clip_scores(heard[truth.clip], truth)
                if not states_envelope:
                    scores = {name: value for name, value in scores.items() if not name.endswith("_db")}
                if not states_octave:
                    scores.pop("octave", None)
                row = {"set": folder.name, "system": system, "clip": truth.clip, "group": truth.group}
                rows.append({**row, **scores})
    return pd.DataFrame(rows)


def group_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Averages rows within each group, then over groups: one row for each set and system.

    `groups` is their number, and `released` the number of those with a score of the release.
    """
    names = [name for name in COLUMNS if name in rows]
    within = rows.groupby(["set", "system", "group"], sort=False)[names].mean()
    means = within.groupby(["set", "system"], sort=False).mean()
    means["groups"] = within.groupby(["set", "system"], sort=False).size()
    if "release_db" in within:
        means["released"] = within["release_db"].groupby(["set", "system"], sort=False).count()
    return means.reset_index()


def markdown_table(rows: pd.DataFrame) -> str:
    """Formats the means as a Markdown table. In brackets stands the number of clips of a release."""
    means = group_means(rows)
    lines = [
        "| clips | n | system | " + " | ".join(heading for heading, _ in COLUMNS.values()) + " |",
        "| --- | ---: | --- |" + " ---: |" * len(COLUMNS),
    ]
    for row in means.to_dict("records"):
        cells = []
        for name, (_, decimals) in COLUMNS.items():
            value = row.get(name, np.nan)
            cell = "" if np.isnan(value) else f"{value:.{decimals}f}"
            cells.append(f"{cell} ({row['released']})" if cell and name == "release_db" else cell)
        lines.append(f"| {row['set']} | {row['groups']} | {row['system']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def largest_deviation(folder: Path) -> dict[str, float]:
    """Compares F1 scores with those of mir_eval in `mir_eval.json`: largest difference by criterion."""
    rows = score_test_sets([folder]).set_index(["system", "clip"])
    worst: dict[str, float] = {}
    for system, clips in json.loads((folder / "mir_eval.json").read_text()).items():
        for clip, scores in clips.items():
            for name, value in scores.items():
                apart = abs(float(rows.loc[(system, clip), name]) - value)
                worst[name] = max(worst.get(name, 0.0), apart)
    return worst
