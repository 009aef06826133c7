"""The state of a dataset folder, read from the folder alone: the same for whoever renders it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from render.dataset import Dataset


@dataclass(frozen=True, slots=True)
class SplitState:
    """How far one split has come."""

    split: str
    shards: int
    shards_done: int
    clips: int
    clips_done: int
    bytes_done: int


@dataclass(frozen=True, slots=True)
class State:
    """How far a dataset has come. Before the timbres are cast there are no splits yet."""

    name: str
    stage: str
    splits: list[SplitState]
    tones_failed: dict[str, int]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def state(dataset: Dataset) -> State:
    """Reads the state: `planned`, `rendering`, `finishing` (tables to be summed up) or `done`."""
    name = str(dataset.metadata["name"])
    if not dataset.is_cast:
        return State(name, "planned", [], {})
    splits: dict[str, SplitState] = {}
    for shard, blocks in dataset.shards.items():
        before = splits.get(blocks[0]["split"], SplitState(blocks[0]["split"], 0, 0, 0, 0, 0))
        clips, done = sum(row["clips"] for row in blocks), dataset.is_done(shard)
        splits[before.split] = SplitState(
            before.split,
            before.shards + 1,
            before.shards_done + done,
            before.clips + clips,
            before.clips_done + clips * done,
            before.bytes_done + (dataset.layout.inside(shard).stat().st_size if done else 0),
        )
    whole = all(s.shards == s.shards_done for s in splits.values())
    finished = dataset.layout.table("shards").exists()
    reasons: dict[str, int] = {}
    for row in dataset.layout.read("failures").to_pylist():
        reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
    stage = "rendering" if not whole else "done" if finished else "finishing"
    return State(name, stage, list(splits.values()), dict(sorted(reasons.items())))
