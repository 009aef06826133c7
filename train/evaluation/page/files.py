"""Rows of the page from audio files: the pairs of a folder or a table, whatever systems made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from manifests.estimation.estimate import measure_gain
from train.data.pairs import TAKES
from train.evaluation.files import FileRow, read_trial
from train.evaluation.page.rows import Curve, Panel, PrecomputedScores, Row, scores_of
from train.evaluation.page.words import KIND_TEXTS
from train.evaluation.trial import Audio, Trial


def level_curve(audio: Audio, rate: int) -> Curve:
    """Measures the level of a sound over time, which stands in for its unknown gain.

    `audio` is float32 [samples]; so is the curve.
    """
    if len(audio) < rate // 100:
        return Curve("true", "its level", np.abs(audio))
    measured = measure_gain(audio, rate)
    values = np.interp(np.arange(len(audio)) / rate, measured.time_s, measured.level)
    return Curve("true", "its level", values.astype(np.float32))


def file_row(trial: Trial, known: PrecomputedScores | None, name: str) -> Row:
    """Makes a row of a trial: source, reference and target, then every system. `name` opens its title."""
    scores, cases = scores_of(trial, known)
    sounds = {"source": trial.source, "reference": trial.reference, "target": trial.target}
    panels = tuple(
        Panel(role, (trial.names[role],), audio, (level_curve(audio, trial.rate),))
        for role, audio in (*sounds.items(), *trial.estimates.items())
    )
    title, words = KIND_TEXTS[trial.kind] if trial.kind in TAKES else KIND_TEXTS["both"]
    clusters = trial.timbre_cluster, trial.phrase_cluster
    title = f"{name}: {title[:1].lower()}{title[1:]}" if name else title
    return Row(trial.pair, trial.kind, trial.split, title, words, panels, scores, cases, clusters)


def build_file_rows(
    folder: Path,
    pairs: Sequence[list[FileRow]],
    known: PrecomputedScores | None,
    advance: Callable[[], Any],
) -> Iterator[tuple[Row, int]]:
    """Yields the row and the sample rate in Hz of each pair, in order; several are read at a time.

    Args:
        folder: What the paths of the files are relative to.
        pairs: The rows of each pair, one for each system.
        known: Scores that exist already; None leaves scores out.
        advance: Called after each row.

    Raises:
        InputError: If a file cannot be read.
    """

    def make(rows: list[FileRow]) -> tuple[Row, int]:
        trial = read_trial(folder, rows)
        return file_row(trial, known, rows[0].get("pair", "")), trial.rate

    with ThreadPoolExecutor() as pool:
        for first in range(0, len(pairs), 16):
            for row in pool.map(make, pairs[first : first + 16]):
                yield row
                advance()
