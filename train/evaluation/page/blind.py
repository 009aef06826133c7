"""A blind listening test from the same rows as the page: order and names are hidden, ratings become a CSV.

Every system's sound stands under a letter, in an order of its own in each trial, among the target (which
should be rated best) and a copy of the reference (which plays other notes). The key, a CSV that says what
is what, is a file of its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from string import Template

import numpy as np

from manifests.dataset import files
from manifests.splits.seeds import derive, permutation
from train.evaluation.page.data import Shelf, script_json
from train.evaluation.page.html import asset
from train.evaluation.page.rows import Row
from train.evaluation.page.sounds import flac
from train.evaluation.trial import Audio

KEY = ("stimulus", "trial", "method", "pair", "kind", "split", "timbre_cluster", "phrase_cluster")
ANCHOR = "copy_of_reference"
ASKED = {
    "timbre": "How much is the timbre that of the reference?",
    "envelope": "How much is the envelope (attack, decay, sustain, release) that of the reference?",
    "content": "How much is it the source's notes, in time and in tune?",
}
"""What is rated from 1 (not at all) to 5 (exactly)."""

TAKEN_ASKED = {
    "timbre": ASKED | {"envelope": ASKED["envelope"].replace("the reference", "the source")},
    "envelope": ASKED | {"timbre": ASKED["timbre"].replace("the reference", "the source")},
}
"""Where only one of the two was taken from the reference, the other should be the source's."""


def name_of(seed: int, *what: str | int) -> str:
    """A name that tells nothing: twelve hex digits from the seed."""
    return f"{derive(seed, 'blind', *what) % 16**12:012x}"


def write_blind(rows: Iterable[tuple[Row, int]], shelf: Shelf, out: Path, seed: int) -> None:
    """Writes the test to `out` and its key beside it, as `.key.csv`. Same rows and seed, same bytes."""
    trials, key = [], []
    for number, (row, rate) in enumerate(rows, start=1):
        sounds = {panel.role: panel.audio for panel in row.panels}
        if not {"source", "reference", "target"} <= sounds.keys():
            continue
        hidden = {name: audio for name, audio in sounds.items() if name not in ("source", "reference")}
        hidden[ANCHOR] = sounds["reference"]
        names = list(hidden)
        trial = name_of(seed, number, "trial")
        stimuli = []
        for place in permutation(seed, len(names), "blind order", number):
            method = names[int(place)]
            label = name_of(seed, number, method)
            address = shelf.put(f"{label}.flac", "audio/flac", flac(hidden[method], rate))
            stimuli.append({"name": label, "src": address, "rms": _rms(hidden[method])})
            key.append((label, trial, method, row.pair, row.kind, row.split, *row.clusters))
        given = []
        for role in ("source", "reference"):
            address = shelf.put(f"{name_of(seed, number, role)}.flac", "audio/flac", flac(sounds[role], rate))
            given.append({"role": role, "src": address, "rms": _rms(sounds[role])})
        trials.append(
            {
                "name": trial,
                "words": row.words,
                "asked": TAKEN_ASKED.get(row.kind, ASKED),
                "seconds": round(max(len(audio) for audio in sounds.values()) / rate, 4),
                "given": given,
                "stimuli": stimuli,
            }
        )
    page = Template(asset("blind.html")).substitute(
        style=asset("page.css"),
        script=asset("player.js") + asset("blind.js"),
        data=script_json({"trials": trials, "test": name_of(seed, "test")}),
    )
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(KEY)
    writer.writerows(sorted(key))
    files.replace(out.with_suffix(".key.csv"), table.getvalue().encode())
    files.replace(out, page.encode())


def _rms(audio: Audio) -> float:
    return round(float(np.sqrt(np.mean(audio.astype(np.float64) ** 2))), 6)
