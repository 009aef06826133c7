"""Blind listening test from the rows of the page: names and order are hidden, ratings become a CSV.

In each trial the systems' sounds stand in random order among two hidden stimuli: the target, which should
be rated best, and a copy of the reference as an anchor, which plays other notes. The key, a CSV file of its
own, tells which stimulus is which. The design follows MUSHRA (ITU-R BS.1534) with a five-point scale.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from manifests.dataset import files
from manifests.splits.seeds import derive, permutation
from train.evaluation.page.data import AssetStore
from train.evaluation.page.html import render_template
from train.evaluation.page.rows import Row
from train.evaluation.page.sounds import encode_flac
from train.evaluation.trial import Audio

KEY_COLUMNS = ("stimulus", "trial", "method", "pair", "kind", "split", "timbre_cluster", "phrase_cluster")
"""Columns of the key."""
ANCHOR = "copy_of_reference"
"""The method name of the anchor."""
QUESTIONS = {
    "timbre": "How similar is the timbre to that of the reference?",
    "envelope": "How similar is the envelope (attack, decay, sustain, release) to that of the reference?",
    "content": "How well does it play the source's notes, in time and in tune?",
}
"""What is rated from 1 (not at all) to 5 (exactly)."""

QUESTIONS_OF_KIND = {
    "timbre": QUESTIONS | {"envelope": QUESTIONS["envelope"].replace("the reference", "the source")},
    "envelope": QUESTIONS | {"timbre": QUESTIONS["timbre"].replace("the reference", "the source")},
}
"""Where the reference gives only one of the two, the other should be the source's."""


def anonymous_name(seed: int, *what: str | int) -> str:
    """Returns twelve hexadecimal digits that the seed and `what` determine."""
    return f"{derive(seed, 'blind', *what) % 16**12:012x}"


def write_blind(rows: Iterable[tuple[Row, int]], store: AssetStore, out: Path, seed: int) -> None:
    """Writes the test to `out`, and its key beside it as `.key.csv`. Equal rows and seed give equal bytes.

    Args:
        rows: Rows with their sample rates in Hz. A row without source, reference or target is left out.
        store: Where the sounds are kept.
        out: The HTML file.
        seed: Determines names and order of the stimuli.
    """
    trials, key = [], []
    for number, (row, rate) in enumerate(rows, start=1):
        sounds = {panel.role: panel.audio for panel in row.panels}
        if not {"source", "reference", "target"} <= sounds.keys():
            continue
        hidden = {name: audio for name, audio in sounds.items() if name not in ("source", "reference")}
        hidden[ANCHOR] = sounds["reference"]
        names = list(hidden)
        trial = anonymous_name(seed, number, "trial")
        stimuli = []
        for place in permutation(seed, len(names), "blind order", number):
            method = names[int(place)]
            label = anonymous_name(seed, number, method)
            address = store.put(f"{label}.flac", "audio/flac", encode_flac(hidden[method], rate))
            stimuli.append({"name": label, "src": address, "rms": _rms(hidden[method])})
            key.append((label, trial, method, row.pair, row.kind, row.split, *row.clusters))
        given = []
        for role in ("source", "reference"):
            address = store.put(
                f"{anonymous_name(seed, number, role)}.flac", "audio/flac", encode_flac(sounds[role], rate)
            )
            given.append({"role": role, "src": address, "rms": _rms(sounds[role])})
        trials.append(
            {
                "name": trial,
                "words": row.words,
                "asked": QUESTIONS_OF_KIND.get(row.kind, QUESTIONS),
                "seconds": round(max(len(audio) for audio in sounds.values()) / rate, 4),
                "given": given,
                "stimuli": stimuli,
            }
        )
    page = render_template("blind.html", data={"trials": trials, "test": anonymous_name(seed, "test")})
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(KEY_COLUMNS)
    writer.writerows(sorted(key))
    files.replace_all({out.with_suffix(".key.csv"): table.getvalue().encode(), out: page.encode()})


def _rms(audio: Audio) -> float:
    """Returns the RMS of float32 [samples], full scale 1."""
    return round(float(np.sqrt(np.mean(audio.astype(np.float64) ** 2))), 6)
