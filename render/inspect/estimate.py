"""What a plan will cost, from a short measurement on this machine: a few timbres, and a few blocks of clips.

The measurement is a small dataset of the same settings, really made in a temporary folder. It counts CPU
time, plugin processes included, so that other work on the machine does not change it; waiting for disks and
for the store is not in it, nor is what many cores take from each other.
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
from render.clips.dataset import Dataset, MachineFault
from render.clips.shard import tar_writer
from render.config import Config
from render.execution.executors import Local, TaskQueue
from render.execution.run import cast_first
from render.execution.tasks import Committed, Where, render_shard
from render.planning.plan import Planned, make_plan, write_plan
from render.planning.product import cut_blocks
from render.tones import configured_synth

TIMBRES = 6
"""Timbres of each synth that the measurement looks for."""
BLOCKS = 16
"""Blocks that it renders."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A plan's counts, what was measured (CPU seconds, bytes), and what follows from it."""

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
        """How long it takes on so many cores: no timbre and no shard is made by two of them."""
        timbres = self.seconds_a_timbre * -(-self.timbres // cores)
        return timbres + self.seconds_a_clip * self.clips / self.shards * -(-self.shards // cores)

    def as_json(self, cores: list[int]) -> dict[str, Any]:
        return {**asdict(self), "seconds_on": {str(n): self.seconds_on(n) for n in cores}}


def estimate(config: Config) -> Estimate:
    """Measures, for some seconds; InputError where the config cannot be planned, MachineFault elsewhere."""
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
    """Timbres as they will be, as far as blocks depend on them, if no two sound alike."""
    synths = [of.synth for of in config.timbres for _ in range(of.count)]
    seen = [i for i, synth in enumerate(synths) if synth != config.splits.unseen_synth]
    sides = ["synth"] * len(synths)
    drawn = assign_sides(range(len(seen)), config.splits.test_timbres, config.seed, "timbre")
    for i, side in zip(seen, drawn, strict=True):
        sides[i] = side
    return [{"timbre": i, "side": side, "generation": 0} for i, side in enumerate(sides)]


def _small(planned: Planned) -> Config:
    config = Config.model_validate(planned.metadata["config"])
    few = [of.model_copy(update={"count": min(of.count, TIMBRES)}) for of in config.timbres]
    per_shard = min(config.blocks.per_shard, BLOCKS)
    sizes = config.blocks.model_copy(update={"per_shard": per_shard})
    return config.model_copy(update={"timbres": few, "blocks": sizes})


def _measure(planned: Planned, root: Path) -> tuple[float, float, float, float]:
    """CPU seconds a timbre and a clip; bytes of a clip in tar and table, and of a tone set."""
    write_plan(planned, root)
    dataset = Dataset(root)
    where = Where(root, str(dataset.metadata["fingerprint"]))
    hosts = [dataset.maker.host(configured_synth(of)) for of in dataset.config.timbres]
    timbres = sum(of.count for of in dataset.config.timbres)
    with _stopped(hosts) as seconds:
        for host in hosts:
            host.__enter__()
    starting = seconds()
    with _stopped(hosts) as seconds:
        offered = TaskQueue(Local(), lambda line: None)
        dataset = cast_first(dataset, where, offered, Console(quiet=True))
    casting = seconds() - starting
    shard, plan = next(iter(dataset.shards.items()))
    tar_writer()  # imports webdataset, once a process
    with _stopped(hosts) as seconds:
        answer = render_shard(where, shard)
    if not isinstance(answer, Committed):
        raise MachineFault(answer.line)
    rendering = seconds() - (starting if dataset.config.shaping == "plugin" else 0.0)
    made = dataset.layout.inside(shard).stat().st_size + dataset.layout.clip_table(shard).stat().st_size
    tones = sum(p.stat().st_size for p in (dataset.layout.work / "tones").rglob("*") if p.is_file())
    return max(casting, 0.0) / timbres, rendering / plan.clips, made / plan.clips, tones / timbres


@contextmanager
def _stopped(hosts: list[SnapshotHost]) -> Iterator[Callable[[], float]]:
    """The CPU seconds that the block took, once it is over. Hosts are ended: only then do theirs count."""

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
