"""The state of a dataset folder, read from the folder alone: the same for whoever renders it, and however."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

from manifests.dataset.layout import Layout
from manifests.dataset.storage import list_files, parquet_file
from render.clips.dataset import Dataset
from render.clips.shard import shard_note
from render.execution import journal


@dataclass(slots=True)
class SplitState:
    """How far one split (or all of them) has come. A failed shard is tried again by the next run."""

    split: str
    shards: int = 0
    shards_done: int = 0
    shards_running: int = 0
    shards_failed: int = 0
    shards_missing: int = 0
    clips: int = 0
    clips_done: int = 0
    hours_done: float = 0.0
    bytes_done: int = 0


@dataclass(slots=True)
class State:
    """How far a dataset has come. Before the timbres are cast there are no splits yet.

    `stage`: planned, casting, rendering, finishing (only the last tables are missing) or done. `workers`
    are at a shard now, and make `clips_per_s` together; where that is not known yet, it is None.
    """

    name: str
    stage: str
    timbres: int
    timbres_found: int
    splits: list[SplitState] = field(default_factory=list)
    total: SplitState = field(default_factory=lambda: SplitState("all"))
    workers: int = 0
    clips_per_s: float | None = None
    seconds_left: float | None = None
    failures: dict[str, int] = field(default_factory=dict)
    """Presets that failed, by reason; each has been replaced."""
    failed_shards: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Machines that must not work on the dataset, and why."""

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def state(dataset: Dataset) -> State:
    """Reads the state of a folder, local or remote."""
    name = str(dataset.metadata["name"])
    wanted = sum(timbres.count for timbres in dataset.config.timbres)
    refused = journal.refused(dataset.root)
    if not dataset.is_cast:
        found = journal.found(dataset.root)
        stage = "planned" if found is None else "casting"
        return State(name, stage, wanted, found or 0, refused=refused)
    done, claims = dataset.done(), journal.running(dataset.root)
    now = State(name, "rendering", wanted, wanted, refused=refused)
    now.failed_shards = {s: why for s, why in journal.failed(dataset.root).items() if s not in done}
    at_work = {claim.shard: claim.clips for claim in claims if claim.shard not in done}
    now.splits = _splits(dataset, done, at_work, now.failed_shards)
    for split in now.splits:
        for what in SplitState.__slots__[1:]:
            setattr(now.total, what, getattr(now.total, what) + getattr(split, what))
    if now.total.shards_done == now.total.shards:
        now.stage = "done" if dataset.layout.table("shards").exists() else "finishing"
    now.workers = len(at_work)
    now.clips_per_s = _pace([claim for claim in claims if claim.shard in at_work])
    if now.clips_per_s:
        left = now.total.clips - now.total.clips_done - sum(at_work.values())
        now.seconds_left = left / now.clips_per_s
    # Only where the plugin plays the clips can a preset fail in a shard.
    may_fail = now.stage != "done" and dataset.config.shaping == "plugin"
    now.failures = _failures(dataset.layout, done if may_fail else set())
    return now


def _splits(
    dataset: Dataset, done: set[str], at_work: dict[str, int], failed: dict[str, str]
) -> list[SplitState]:
    seconds = dataset.config.clip.seconds
    sizes = list_files(dataset.root / "shards")
    splits: dict[str, SplitState] = {}
    for shard, plan in dataset.shards.items():
        split = splits.setdefault(plan.split, SplitState(plan.split))
        split.shards += 1
        split.clips += plan.clips
        if shard in done:
            split.shards_done += 1
            split.clips_done += plan.clips
            split.hours_done += plan.clips * seconds / 3600
            split.bytes_done += sizes.get(shard.removeprefix("shards/"), 0)
        elif shard in at_work:
            split.shards_running += 1
        elif shard in failed:
            split.shards_failed += 1
        else:
            split.shards_missing += 1
    return list(splits.values())


def _pace(claims: list[journal.Claim]) -> float | None:
    """Clips a second of all who are at work; who has made too few yet to tell counts as the others' mean."""
    told = [claim.made / claim.seconds for claim in claims if claim.made and claim.seconds]
    return sum(told) / len(told) * len(claims) if told else None


def _failures(layout: Layout, untold: set[str]) -> dict[str, int]:
    """Failures by reason: the table's, and those of shards that the table does not tell of yet."""
    rows = layout.read("failures").to_pylist()
    for shard in sorted(untold - {row["shard"] for row in rows}):
        rows += shard_note(parquet_file(layout.clip_table(shard)).schema_arrow.metadata)["failures"]
    return dict(sorted(Counter(row["reason"] for row in rows).items()))
