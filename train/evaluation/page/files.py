"""What the page shows of audio files: the pairs of a folder or a table, whatever systems made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from manifests.estimation.estimate import measure_gain
from train.data.pairs import TAKES
from train.evaluation.files import Row as FileRow
from train.evaluation.files import read_trial
from train.evaluation.page.rows import Curve, Panel, Row, ScoresByPair, scores_of
from train.evaluation.page.words import TAKEN
from train.evaluation.trial import Audio, Trial


def level_curve(audio: Audio, rate: int) -> Curve:
    """The sound's own level over time, in place of a gain that nobody knows."""
    if len(audio) < rate // 100:
        return Curve("true", "its level", np.abs(audio))
    measured = measure_gain(audio, rate)
    values = np.interp(np.arange(len(audio)) / rate, measured.time_s, measured.level)
    return Curve("true", "its level", values.astype(np.float32))


def file_row(trial: Trial, known: ScoresByPair | None, named: str) -> Row:
    """A trial as a row: its three roles, then every system."""
    scores, cases = scores_of(trial, known)
    sounds = {"source": trial.source, "reference": trial.reference, "target": trial.target}
    panels = tuple(
        Panel(role, (trial.names[role],), audio, (level_curve(audio, trial.rate),))
        for role, audio in (*sounds.items(), *trial.estimates.items())
    )
    title, words = TAKEN[trial.kind] if trial.kind in TAKES else TAKEN["both"]
    clusters = trial.timbre_cluster, trial.phrase_cluster
    title = f"{named}: {title[:1].lower()}{title[1:]}" if named else title
    return Row(trial.pair, trial.kind, trial.split, title, words, panels, scores, cases, clusters)


def gather_files(
    folder: Path,
    pairs: Sequence[list[FileRow]],
    known: ScoresByPair | None,
    advance: Callable[[], Any],
) -> Iterator[tuple[Row, int]]:
    """A row and its rate for each pair, in their order, read side by side."""

    def make(rows: list[FileRow]) -> tuple[Row, int]:
        trial = read_trial(folder, rows)
        return file_row(trial, known, rows[0].get("pair", "")), trial.rate

    with ThreadPoolExecutor() as pool:
        for first in range(0, len(pairs), 16):
            for made in pool.map(make, pairs[first : first + 16]):
                yield made
                advance()
