"""What a worker process does, whatever started it: one preset's tone set, or one shard.

A task never raises: it answers with what it made, with a `Fault` of this machine, or, where this machine
must not work on the dataset at all (another plugin, another platform class, no such folder), `Refused`.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from manifests.types import InputError
from presets.host.client import GroupFailure, MachineFailure
from render.casting.cast import Candidate, PresetResult, audition
from render.clips.dataset import Dataset, MachineFault, block_of
from render.clips.player import Player
from render.clips.shard import write_shard
from render.execution import journal
from render.execution.heap import keep_heap
from render.execution.scratch import scratch_folder

REFUSAL_S = 2.0
"""How long a refusal takes, so that a machine that refuses cannot empty a queue faster than others work."""

T = TypeVar("T")

_ONE_AT_A_TIME = threading.Lock()
"""Dask may run tasks in several threads of a worker; a plugin host serves one."""


@dataclass(frozen=True, slots=True)
class Where:
    """The dataset that a task belongs to."""

    root: Path
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a task could not be done on this machine, in one line."""

    line: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why this machine must not work on the dataset, in one line; `worker` is its Dask address, if any."""

    line: str
    worker: str


@dataclass(frozen=True, slots=True)
class Committed:
    """A shard that is committed now; `ours` is False where somebody else was faster."""

    shard: str
    ours: bool


@lru_cache(maxsize=2)
def _dataset(where: Where) -> Dataset:
    """The dataset as this worker process knows it: tables are read once a process."""
    keep_heap()
    return Dataset(where.root)


@lru_cache(maxsize=2)
def _unfit(where: Where) -> str | None:
    """Why this machine must not work on the dataset, found out once a process; None if it may."""
    try:
        dataset = _dataset(where)
        if dataset.metadata["fingerprint"] != where.fingerprint:
            return f"{where.root}: holds another dataset here"
        dataset.check_machine()
    except (MachineFault, InputError, OSError) as error:
        return " ".join(str(error).split())
    return None


def _refused(where: Where) -> Refused | None:
    line = _unfit(where)
    if line is None:
        return None
    journal.refuse(where.root, f"{platform.node()}-{os.getpid()}", line)
    time.sleep(REFUSAL_S)
    return Refused(f"{platform.node()}: {line}", _dask_address())


def _dask_address() -> str:
    if "distributed" not in sys.modules:
        return ""
    try:
        address: str = sys.modules["distributed"].get_worker().address
    except ValueError:
        return ""
    return address


def _fault(error: Exception) -> Fault:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Fault("no space left on the disk: only whole shards were kept; free some and run again")
    if isinstance(error, MemoryError):
        return Fault("out of memory: use fewer workers, or a machine with more")
    return Fault(" ".join(str(error).split()))


def render_shard(where: Where, shard: str) -> Committed | Fault | Refused:
    """The task of the second stage: one shard, composed, packed and committed."""
    with _ONE_AT_A_TIME:
        if (refused := _refused(where)) is not None:
            return refused
        dataset = _dataset(where)
        if dataset.is_done(shard):
            return Committed(shard, False)
        answer = _render(dataset, shard)
        if isinstance(answer, Fault):
            journal.fail(where.root, shard, answer.line)
        return answer


def _render(dataset: Dataset, shard: str) -> Committed | Fault:
    try:
        failures: list[dict[str, Any]] = []
        if dataset.config.shaping == "plugin":
            player = Player(dataset)
            clips, failures = player.shard(shard), player.failures
        else:
            composer, blocks = dataset.composer(), dataset.blocks_of(shard)
            clips = (clip for row in blocks for clip in composer.block(row["block"], block_of(row)))
        split = dataset.shards[shard].split
        with scratch_folder(dataset.layout.work) as scratch, journal.claim(dataset.root, shard) as alive:
            ours = write_shard(dataset.layout, split, shard, alive(clips), scratch, failures)
        return Committed(shard, ours)
    except GroupFailure as failure:
        # The timbre passed when it was cast: what fails now is this machine or an unrepeatable synth.
        return Fault(
            f"{shard}: a timbre that passed its checks failed now: {failure.reason} ({failure.detail})"
        )
    except (MachineFault, MachineFailure, OSError, MemoryError) as error:
        return _fault(error)


def do(where: Where, what: str, work: Callable[[Dataset], T]) -> T | Fault | Refused:
    """Does `work` on the dataset, as the task called `what`; what the machine is at fault for is a Fault."""
    with _ONE_AT_A_TIME:
        if (refused := _refused(where)) is not None:
            return refused
        try:
            return work(_dataset(where))
        except GroupFailure as failure:
            return Fault(f"{what}: a timbre that passed its checks failed now: {failure}")
        except (MachineFault, MachineFailure, OSError, MemoryError) as error:
            return _fault(error)


def make_tones(where: Where, wanted: Candidate) -> PresetResult | Fault | Refused:
    """The task of the first stage: one preset's tone set."""
    with _ONE_AT_A_TIME:
        if (refused := _refused(where)) is not None:
            return refused
        try:
            return audition(_dataset(where).maker, wanted)
        except (MachineFailure, OSError, MemoryError) as error:
            return _fault(error)
