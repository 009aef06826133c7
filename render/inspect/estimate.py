"""Estimates a plan's cost from a short measurement on this machine: a few timbres and a few blocks.

The measurement renders a small dataset of the same settings in a temporary folder. It counts CPU time,
plugin processes included, so that other load on the machine does not change it. It leaves out waiting for
disks and stores, and contention between cores.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from rich.console import Console

from manifests.splits.splits import assign_sides
from presets.host.client import SnapshotHost
from render.clips.dataset import MachineFault, PlannedDataset
from render.clips.shard import tar_writer
from render.config import Config
from render.execution.executors import Local, TaskQueue
from render.execution.run import cast_first
from render.execution.tasks import Committed, DatasetRef, render_shard
from render.planning.plan import Plan, make_plan, write_plan
from render.planning.product import cut_blocks
from render.tones import configured_synth

TIMBRES = 6
"""Timbres of each synth that the measurement casts."""
BLOCKS = 16
"""Blocks that it renders."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A plan's counts, the measured CPU seconds and bytes, and the totals that follow."""

    timbres: int
    clips: int
    hours: float
    shards: int
    seconds_a_timbre: float
    seconds_a_clip: float
    bytes_a_clip: float
    core_hours: float
    bytes: int
    tones_bytes: int

    def seconds_on(self, cores: int) -> float:
        """Returns wall seconds on `cores` cores. A timbre or a shard is never split between cores."""
        timbres = self.seconds_a_timbre * -(-self.timbres // cores)
        return timbres + self.seconds_a_clip * self.clips / self.shards * -(-self.shards // cores)

    def as_json(self, cores: list[int]) -> dict[str, Any]:
        return {**asdict(self), "seconds_on": {str(n): self.seconds_on(n) for n in cores}}


def estimate(config: Config) -> Estimate:
    """Measures for some seconds and extrapolates to the whole plan.

    Raises InputError if the config cannot be planned, and MachineFault if the measurement fails.
    """
    planned = make_plan(config)
    blocks = cut_blocks(config, _stand_ins(config), planned.envelopes, planned.phrases)
    clips, shards = pc.sum(blocks["clips"]).as_py(), len(blocks["shard"].unique())
    timbres = sum(of.count for of in config.timbres)
    with tempfile.TemporaryDirectory(prefix="triptych-estimate-", ignore_cleanup_errors=True) as folder:
        measured = _measure(make_plan(_small(planned)), Path(folder) / "dataset")
    seconds_a_timbre, seconds_a_clip, bytes_a_clip, tones = measured
    return Estimate(
        timbres=timbres,
        clips=clips,
        hours=clips * config.clip.seconds / 3600,
        shards=shards,
        seconds_a_timbre=seconds_a_timbre,
        seconds_a_clip=seconds_a_clip,
        bytes_a_clip=bytes_a_clip,
        core_hours=(timbres * seconds_a_timbre + clips * seconds_a_clip) / 3600,
        bytes=round(clips * bytes_a_clip),
        tones_bytes=round(timbres * tones),
    )


def _stand_ins(config: Config) -> list[dict[str, Any]]:
    """Returns placeholder rows of timbres, with sides as if no two timbres sounded alike."""
    synths = [of.synth for of in config.timbres for _ in range(of.count)]
    seen = [i for i, synth in enumerate(synths) if synth != config.splits.unseen_synth]
    sides = ["synth"] * len(synths)
    drawn = assign_sides(range(len(seen)), config.splits.test_timbres, config.seed, "timbre")
    for i, side in zip(seen, drawn, strict=True):
        sides[i] = side
    return [{"timbre": i, "side": side, "generation": 0} for i, side in enumerate(sides)]


def _small(planned: Plan) -> Config:
    config = Config.model_validate(planned.metadata["config"])
    few = [of.model_copy(update={"count": min(of.count, TIMBRES)}) for of in config.timbres]
    per_shard = min(config.blocks.per_shard, BLOCKS)
    sizes = config.blocks.model_copy(update={"per_shard": per_shard})
    return config.model_copy(update={"timbres": few, "blocks": sizes})


def _measure(planned: Plan, root: Path) -> tuple[float, float, float, float]:
    """Returns CPU seconds per timbre and per clip, and bytes per clip (tar and table) and per tone set."""
    write_plan(planned, root)
    dataset = PlannedDataset(root)
    ref = DatasetRef(root, str(dataset.metadata["fingerprint"]))
    hosts = [dataset.tone_sets.host(configured_synth(of)) for of in dataset.config.timbres]
    timbres = sum(of.count for of in dataset.config.timbres)
    with _measured_cpu(hosts) as seconds:
        for host in hosts:
            host.__enter__()
    starting = seconds()
    with _measured_cpu(hosts) as seconds:
        queue = TaskQueue(Local(), lambda line: None)
        dataset = cast_first(dataset, ref, queue, Console(quiet=True))
    casting = seconds() - starting
    shard, plan = next(iter(dataset.shards.items()))
    tar_writer()  # imports webdataset, once a process
    with _measured_cpu(hosts) as seconds:
        answer = render_shard(ref, shard)
    if not isinstance(answer, Committed):
        raise MachineFault(answer.line)
    rendering = seconds() - (starting if dataset.config.shaping == "plugin" else 0.0)
    made = dataset.layout.inside(shard).stat().st_size + dataset.layout.clip_table(shard).stat().st_size
    tones = sum(p.stat().st_size for p in (dataset.layout.work / "tones").rglob("*") if p.is_file())
    return max(casting, 0.0) / timbres, rendering / plan.clips, made / plan.clips, tones / timbres


@contextmanager
def _measured_cpu(hosts: list[SnapshotHost]) -> Iterator[Callable[[], float]]:
    """Yields a function that returns the block's CPU seconds afterwards.

    It closes the hosts first, since a child's time counts only after its exit.
    """

    def used() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in both)

    def end() -> None:
        for host in hosts:
            host.close()

    end()
    before = used()
    taken = 0.0
    yield lambda: taken
    end()
    taken = used() - before
