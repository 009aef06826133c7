"""Tasks of a worker process: try one preset, or render one shard.

A task never raises. It returns its result, a `TaskFault` of this machine, or a `TaskRefusal` if this
machine must not work on the dataset. Reasons are another plugin version, another platform class, or a
missing folder.
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

from manifests.limits import blamed, describe_os_error
from manifests.types import InputError
from presets.host.client import GroupFailure, MachineFailure
from render.casting.cast import Candidate, PresetResult, try_preset
from render.clips.dataset import MachineFault, PlannedDataset, block_of
from render.clips.player import PluginPlayer
from render.clips.shard import write_shard
from render.execution import journal
from render.execution.heap import keep_heap
from render.execution.scratch import scratch_folder
from render.tones import configured_synth

REFUSAL_S = 2.0
"""Seconds that a refusal takes, so that a refusing machine cannot drain the queue faster than others work."""

T = TypeVar("T")

_ONE_AT_A_TIME = threading.Lock()
"""Dask may run tasks in several threads of a worker, but a plugin host serves one thread."""


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """A task's dataset: its folder and the fingerprint it must have."""

    root: Path
    fingerprint: str


@dataclass(frozen=True, slots=True)
class TaskFault:
    """A task's failure on this machine, with the reason in one line."""

    line: str


@dataclass(frozen=True, slots=True)
class TaskRefusal:
    """A machine's refusal of a dataset, with the reason in one line. `worker` is its Dask address, if any."""

    line: str
    worker: str


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed shard. `ours` is False if another process committed it first."""

    shard: str
    ours: bool


@lru_cache(maxsize=2)
def _dataset(ref: DatasetRef) -> PlannedDataset:
    """Opens the dataset once per worker process, so that its tables are read once."""
    keep_heap()
    return PlannedDataset(ref.root)


@lru_cache(maxsize=2)
def _unfit(ref: DatasetRef) -> str | None:
    """Checks this machine once per process; returns why it must not work on the dataset, or None."""
    try:
        dataset = _dataset(ref)
        if dataset.metadata["fingerprint"] != ref.fingerprint:
            return f"{ref.root}: holds another dataset here"
        dataset.check_machine()
    except (MachineFault, InputError, OSError) as error:
        return " ".join(str(error).split())
    return None


def _refused(ref: DatasetRef) -> TaskRefusal | None:
    line = _unfit(ref)
    if line is None:
        return None
    journal.refuse(ref.root, f"{platform.node()}-{os.getpid()}", line)
    time.sleep(REFUSAL_S)
    return TaskRefusal(f"{platform.node()}: {line}", _dask_address())


def _dask_address() -> str:
    if "distributed" not in sys.modules:
        return ""
    try:
        address: str = sys.modules["distributed"].get_worker().address
    except ValueError:
        return ""
    return address


def _fault(error: Exception) -> TaskFault:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TaskFault("no space left on the disk: only finished shards were kept; free some and run again")
    if isinstance(error, MemoryError):
        return TaskFault(f"out of memory: use fewer workers, or a machine with more{blamed(error)}")
    if isinstance(error, OSError):
        return TaskFault(describe_os_error(error, "rendering"))
    return TaskFault(" ".join(str(error).split()))


def render_shard(ref: DatasetRef, shard: str) -> Committed | TaskFault | TaskRefusal:
    """Renders, packs and commits one shard: the task of the second stage."""
    answer = run_task(ref, shard, lambda dataset: _render(dataset, shard))
    if isinstance(answer, TaskFault):
        journal.fail(ref.root, shard, answer.line)
    return answer


def render_unclaimed(ref: DatasetRef, shard: str) -> Committed | TaskFault | TaskRefusal:
    """Renders a shard unless another worker renders it now: the second stage of a job of any number."""
    if any(claim.shard == shard for claim in journal.active_claims(ref.root)):
        return Committed(shard, False)
    return render_shard(ref, shard)


def _render(dataset: PlannedDataset, shard: str) -> Committed:
    if dataset.is_done(shard):
        return Committed(shard, False)
    failures: list[dict[str, Any]] = []
    if dataset.config.shaping == "plugin":
        player = PluginPlayer(dataset)
        clips, failures = player.shard(shard), player.failures
    else:
        composer, blocks = dataset.composer(), dataset.blocks_of(shard)
        clips = (clip for row in blocks for clip in composer.block(row["block"], block_of(row)))
    split = dataset.shards[shard].split
    with scratch_folder(dataset.layout.work) as scratch, journal.claim(dataset.root, shard) as alive:
        ours = write_shard(dataset.layout, split, shard, alive(clips), scratch, failures)
    return Committed(shard, ours)


def run_task(ref: DatasetRef, what: str, work: Callable[[PlannedDataset], T]) -> T | TaskFault | TaskRefusal:
    """Runs `work` on the dataset as the task named `what`; returns a TaskFault if this machine fails."""
    with _ONE_AT_A_TIME:
        if (refused := _refused(ref)) is not None:
            return refused
        try:
            return work(_dataset(ref))
        except GroupFailure as failure:
            # The timbre passed when it was cast, so this machine or an unrepeatable synth is at fault.
            return TaskFault(
                f"{what}: a timbre that passed its checks failed now: {failure.reason} ({failure.detail})"
            )
        except (MachineFault, MachineFailure, OSError, MemoryError) as error:
            return _fault(error)


def make_tones(ref: DatasetRef, wanted: Candidate) -> PresetResult | TaskFault | TaskRefusal:
    """Tries one preset: the task of the first stage."""

    def work(dataset: PlannedDataset) -> PresetResult:
        result = try_preset(dataset.tone_sets, wanted)
        if result.row is not None and not result.row["deterministic"]:
            # No other machine could make them again.
            sha256 = result.row["tones_sha256"]
            dataset.tone_sets.get(configured_synth(wanted.timbres), result.preset).save(
                dataset.layout.kept_tones(sha256)
            )
        return result

    return run_task(ref, wanted.preset.name, work)
