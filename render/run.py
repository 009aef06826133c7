"""Running a plan: cast the timbres, render the missing shards, finish. Interrupt and call again at will.

A task is one preset's tone set or one shard; it never raises, whatever a preset does, and what it makes
does not depend on which worker makes it. Workers are processes (joblib's loky); with one worker, this
process does the work itself.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console

from manifests import console as talk
from manifests.layout import to_table, write_table
from presets.host import GroupFailure, MachineFailure
from render.cast import Audition, Try, audition, cast, cut_blocks
from render.dataset import Dataset, MachineFault, block_of
from render.finish import finish
from render.player import Player
from render.scratch import scratch_folder
from render.shard import write_shard
from render.tones import ToneMaker


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a task could not be done on this machine, in one line."""

    line: str


@dataclass(frozen=True, slots=True)
class Done:
    """A shard that is committed now; `ours` is False where another run was faster."""

    shard: str
    clips: int
    ours: bool


@lru_cache(maxsize=2)
def _dataset(root: Path) -> Dataset:
    """The dataset as this worker process knows it: tables are read once a process."""
    return Dataset(root)


def _fault(error: Exception) -> Fault:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Fault("no space left on the disk: only whole shards were kept; free some and run again")
    if isinstance(error, MemoryError):
        return Fault("out of memory: use fewer workers, or a machine with more")
    return Fault(" ".join(str(error).split()))


def render_shard(root: Path, shard: str, scratch: Path) -> Done | Fault:
    """The task of the second stage: one shard, composed, packed and committed."""
    try:
        dataset = _dataset(root)
        blocks = dataset.shards[shard]
        if dataset.config.shaping == "plugin":
            player = Player(dataset)
            clips, failures = player.shard(shard), player.failures
        else:
            composer = dataset.composer()
            clips = (clip for row in blocks for clip in composer.block(row["block"], block_of(row)))
            failures = []
        ours = write_shard(dataset.layout, blocks[0]["split"], shard, clips, scratch, failures)
        return Done(shard, sum(row["clips"] for row in blocks), ours)
    except GroupFailure as failure:
        # The timbre passed when it was cast: what fails now is this machine or an unrepeatable synth.
        return Fault(
            f"{shard}: a timbre that passed its checks failed now: {failure.reason} ({failure.detail})"
        )
    except (MachineFault, MachineFailure, OSError, MemoryError) as error:
        return _fault(error)


def make_tones(maker: ToneMaker, wanted: Try) -> Audition | Fault:
    """The task of the first stage: one preset's tone set."""
    try:
        return audition(maker, wanted)
    except (MachineFailure, OSError, MemoryError) as error:
        return _fault(error)


def run(root: Path, workers: int, console: Console) -> int:
    """Brings a planned folder to its end; returns the number of shards rendered. MachineFault stops it."""
    dataset = Dataset(root)
    dataset.check_machine()
    parallel = Parallel(n_jobs=workers, batch_size=1, return_as="generator_unordered")
    try:
        with scratch_folder(dataset.layout.work) as scratch:
            if not dataset.is_cast:
                _first_stage(dataset, workers, console)
            missing = [shard for shard in dataset.shards if not dataset.is_done(shard)]
            if missing:
                _second_stage(dataset, missing, parallel, scratch, console)
            if missing or not dataset.layout.table("shards").exists():
                finish(dataset)
            return len(missing)
    except TerminatedWorkerError:
        raise MachineFault(
            f"{root}: a worker process was killed (out of memory?); whole shards are kept: run again to go on"
        ) from None


def _first_stage(dataset: Dataset, workers: int, console: Console) -> None:
    """Casts the timbres and cuts the blocks; blocks.parquet comes last and says that it is over."""
    wanted = sum(timbres.count for timbres in dataset.config.timbres)
    in_order = Parallel(n_jobs=workers, batch_size=1, return_as="generator")
    with talk.progress(console) as progress:
        task = progress.add_task("tones ", total=wanted, rate="")

        def auditions(maker: ToneMaker, wave: list[Try]) -> Iterator[Audition]:
            for answer in in_order(delayed(make_tones)(maker, wanted) for wanted in wave):
                if isinstance(answer, Fault):
                    raise MachineFault(answer.line)
                talk.advance(progress, task, int(answer.row is not None), "timbres")
                yield answer

        timbres, failures = cast(dataset.config, dataset.maker, auditions)
    envelopes = dataset.layout.read("envelopes").to_pylist()
    phrases = dataset.layout.read("phrases").to_pylist()
    blocks = cut_blocks(dataset.config, timbres, envelopes, phrases)
    for name, rows in (("timbres", timbres), ("failures", failures), ("blocks", blocks)):
        write_table(dataset.layout.table(name), to_table(name, rows))


def _second_stage(
    dataset: Dataset, missing: list[str], parallel: Parallel, scratch: Path, console: Console
) -> None:
    clips = {shard: sum(row["clips"] for row in dataset.shards[shard]) for shard in missing}
    with talk.progress(console) as progress:
        task = progress.add_task("clips ", total=sum(clips.values()), rate="")
        for answer in parallel(delayed(render_shard)(dataset.root, shard, scratch) for shard in missing):
            if isinstance(answer, Fault):
                raise MachineFault(answer.line)
            talk.advance(progress, task, answer.clips, "clips")
