"""Reads the state of a dataset folder from the folder alone, whatever backend renders it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

from manifests.dataset.layout import Layout
from manifests.dataset.storage import list_files, parquet_file
from render.clips.dataset import PlannedDataset
from render.clips.shard import shard_note
from render.execution import journal


@dataclass(slots=True)
class SplitState:
    """Progress of one split, or of all splits together. The next run retries failed shards."""

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
    """Progress of a dataset. `splits` is empty until the timbres are cast.

    `stage` is planned, casting, rendering, finishing (only the last tables are missing) or done. `workers`
    counts active workers. `clips_per_s` is their joint rate, or None while it is unknown.
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
    """Counts of failed presets by reason. Each failed preset was replaced."""
    failed_shards: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Maps each refusing machine to its reason."""

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def state(dataset: PlannedDataset) -> State:
    """Reads the state of a local or remote folder.

    Example: `state(PlannedDataset(Path("dataset"))).stage`.
    """
    name = str(dataset.metadata["name"])
    wanted = sum(timbres.count for timbres in dataset.config.timbres)
    refused = journal.refused(dataset.root)
    if not dataset.is_cast:
        passed = journal.timbres_passed(dataset.root)
        stage = "planned" if passed is None else "casting"
        return State(name, stage, wanted, passed or 0, refused=refused)
    done, claims = dataset.done(), journal.active_claims(dataset.root)
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
    # A preset can fail in a shard only if the plugin plays the clips.
    may_fail = now.stage != "done" and dataset.config.shaping == "plugin"
    now.failures = _failures(dataset.layout, done if may_fail else set())
    return now


def _splits(
    dataset: PlannedDataset, done: set[str], at_work: dict[str, int], failed: dict[str, str]
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
    """Returns the joint rate in clips/s. Workers without a measured rate count with the others' mean."""
    rates = [claim.made / claim.seconds for claim in claims if claim.made and claim.seconds]
    return sum(rates) / len(rates) * len(claims) if rates else None


def _failures(layout: Layout, unmerged: set[str]) -> dict[str, int]:
    """Counts failures by reason, including those of shards that failures.parquet does not hold yet."""
    rows = layout.read("failures").to_pylist()
    for shard in sorted(unmerged - {row["shard"] for row in rows}):
        rows += shard_note(parquet_file(layout.clip_table(shard)).schema_arrow.metadata)["failures"]
    return dict(sorted(Counter(row["reason"] for row in rows).items()))
