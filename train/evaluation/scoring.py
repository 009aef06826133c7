"""Parallel scoring of many trials, with a journal from which a killed run resumes.

The scores of a trial depend on the trial alone, not on order, number of workers or interruptions.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, TextIO

from manifests.dataset import files
from train.evaluation.trial import Score, Trial, TrialJob, score_trial

FEW_TRIALS = 8
"""Up to this many trials are scored without worker processes."""

JOURNAL_FILE = "progress.jsonl"


class Journal:
    """The scores of a run so far, in a file beside its results: a line for each trial, flushed at once.

    The first line identifies the run. A journal of another run is started anew; a torn line is ignored.

    Args:
        path: The file.
        identity: What tells this run from others, as JSON values.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self.done: dict[int, list[Score]] = {}
        self._head = json.dumps(identity, sort_keys=True)
        self._file: TextIO | None = None
        if path.is_file():
            self._read(path.read_text(encoding="utf-8").splitlines())

    def _read(self, lines: list[str]) -> None:
        if not lines or lines[0] != self._head:
            return
        for line in lines[1:]:
            try:
                number, rows = json.loads(line)
                self.done[int(number)] = _unpacked(rows)
            except (ValueError, TypeError):
                continue

    def add(self, number: int, rows: list[Score]) -> None:
        """Append the scores of trial `number`."""
        if self._file is None:
            # The file is rewritten first, so that no line follows a torn one.
            kept = [json.dumps([before, _packed(scores)]) for before, scores in self.done.items()]
            files.replace(self.path, "".join(f"{line}\n" for line in (self._head, *kept)).encode())
            self._file = self.path.open("a", encoding="utf-8")
        self._file.write(json.dumps([number, _packed(rows)]) + "\n")
        self._file.flush()
        self.done[number] = rows

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Deletes the file: the run is complete."""
        self.close()
        self.path.unlink(missing_ok=True)


VARYING = ("method", "metric", "value", "status")
"""Fields that differ between the scores of one trial; the others are stored once."""


def _packed(rows: list[Score]) -> list[Any]:
    same = {name: value for name, value in rows[0]._asdict().items() if name not in VARYING}
    return [same, [[getattr(row, name) for name in VARYING] for row in rows]]


def _unpacked(packed: list[Any]) -> list[Score]:
    same, rows = packed
    return [Score(**same, **dict(zip(VARYING, row, strict=True))) for row in rows]


def score_trials(
    jobs: Iterable[TrialJob],
    advance: Callable[[], Any] = lambda: None,
    workers: int | None = None,
    journal: Journal | None = None,
    total: int | None = None,
    crepe: bool = False,
) -> list[Score]:
    """Scores trials in parallel: threads make them, which may include conversion, and processes score them.

    Args:
        jobs: Make the trials. One whose scores the journal holds is not called.
        advance: Called after each trial.
        workers: Threads, and processes; by default all cores. A few trials need no processes.
        journal: Keeps the scores.
        total: Number of jobs, if it is known.
        crepe: Whether to compute F0RMSE, too.

    Returns:
        All scores in the order of the jobs.

    Raises:
        InputError: Names a sound that cannot be read or scored.
    """
    count = workers or os.cpu_count() or 1
    done: dict[int, list[Score]] = dict(journal.done) if journal else {}
    waiting: deque[tuple[int, Future[list[Score]]]] = deque()

    def collect() -> None:
        number, future = waiting.popleft()
        done[number] = future.result()
        if journal:
            journal.add(number, done[number])
        advance()

    with ExitStack() as stack:
        score: Callable[[Trial], list[Score]] = partial(score_trial, crepe=crepe)
        if count > 1 and (total is None or total - len(done) > FEW_TRIALS):
            processes = stack.enter_context(
                ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=exit_with_parent)
            )
            score = partial(_score_elsewhere, processes, crepe)
        threads = stack.enter_context(ThreadPoolExecutor(count))
        number = -1
        try:
            for number, job in enumerate(jobs):
                if number in done:
                    advance()
                    continue
                waiting.append((number, threads.submit(_make_and_score, job, score)))
                while len(waiting) > 2 * count:
                    collect()
            while waiting:
                collect()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
            if journal:
                journal.close()
    return [row for place in range(number + 1) for row in done[place]]


def exit_with_parent() -> None:
    """Makes a worker process exit when its parent is gone, even after a kill -9."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _make_and_score(job: TrialJob, score: Callable[[Trial], list[Score]]) -> list[Score]:
    return score(job())


def _score_elsewhere(processes: ProcessPoolExecutor, crepe: bool, trial: Trial) -> list[Score]:
    return processes.submit(score_trial, trial, crepe).result()
