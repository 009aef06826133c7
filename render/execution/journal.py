"""Small JSON files in a dataset's `.work/state`: shards in work, shards that failed, machines that refused.

They inform whoever looks; no command depends on them, and they may be deleted.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from manifests.dataset import files

T = TypeVar("T")

BEAT_S = 10.0
"""How often a worker says that it is still at a shard."""
STALE_S = 120.0
"""Who has said nothing for so long is taken for dead."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker at a shard: the clips of it made by `time`, and all that the process made, in how long."""

    shard: str
    node: str
    pid: int
    time: float
    clips: int
    made: int
    seconds: float


def _folder(root: Path, kind: str) -> Path:
    return root / ".work" / "state" / kind


def _note(root: Path, kind: str, name: str) -> Path:
    return _folder(root, kind) / f"{name}.json"


def _name(shard: str) -> str:
    """shards/train/shard-000000.tar -> train.shard-000000"""
    pure = PurePosixPath(shard)
    return f"{pure.parent.name}.{pure.stem}"


def _write(path: Path, said: dict[str, Any]) -> None:
    # What only informs must not stop the work: a full disk is met again, and told, by the shard itself.
    with suppress(OSError):
        files.replace(path, json.dumps(said, sort_keys=True).encode())


def _forget(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


@dataclass
class _Pace:
    """What this process has made so far, and the seconds it took."""

    clips: int = 0
    seconds: float = 0.0


_pace = _Pace()


@contextmanager
def claim(root: Path, shard: str) -> Iterator[Callable[[Iterable[T]], Iterator[T]]]:
    """Says that this process is at a shard, as often as needed while what it yields is run through."""
    path = _note(root, "running", _name(shard))
    begun, before, clips = time.monotonic(), _pace.seconds, 0

    def alive(made: Iterable[T]) -> Iterator[T]:
        nonlocal clips
        last = 0.0
        for clip in made:
            if (now := time.time()) - last > BEAT_S:
                last = now
                claimed = Claim(shard, platform.node(), os.getpid(), now, clips, _pace.clips, _pace.seconds)
                _write(path, asdict(claimed))
            yield clip
            clips += 1
            _pace.clips += 1
            _pace.seconds = before + time.monotonic() - begun

    try:
        yield alive
    finally:
        _forget(path)
    _forget(_note(root, "failed", _name(shard)))


def fail(root: Path, shard: str, line: str) -> None:
    """Notes why a shard could not be made."""
    _write(_note(root, "failed", _name(shard)), {"shard": shard, "reason": line, "node": platform.node()})


def refuse(root: Path, worker: str, line: str) -> None:
    """Notes why a machine must not work on the dataset."""
    _write(_note(root, "refused", worker), {"worker": worker, "reason": line})


def welcome(root: Path) -> None:
    """Forgets failures and refusals of earlier runs: a new run may find them mended."""
    for kind in ("failed", "refused", "casting"):
        for path in _paths(root, kind):
            _forget(path)


def casting(root: Path, passed: int, wanted: int) -> None:
    """Notes how many timbres have been found so far."""
    _write(_note(root, "casting", "timbres"), {"passed": passed, "wanted": wanted, "time": time.time()})


def cast_over(root: Path) -> None:
    """Forgets that timbres were being looked for."""
    _forget(_note(root, "casting", "timbres"))


def running(root: Path) -> list[Claim]:
    """Who is at a shard now."""
    claims = [claim for note in _notes(root, "running") if (claim := _claim(note)) is not None]
    return [claim for claim in claims if abs(time.time() - claim.time) < STALE_S]


def _claim(note: dict[str, Any]) -> Claim | None:
    try:
        return Claim(**note)
    except TypeError:
        return None


def failed(root: Path) -> dict[str, str]:
    """Shards that could not be made, and why."""
    return {note["shard"]: note["reason"] for note in _notes(root, "failed")}


def refused(root: Path) -> dict[str, str]:
    """Machines that must not work on the dataset, and why."""
    return {note["worker"]: note["reason"] for note in _notes(root, "refused")}


def found(root: Path) -> int | None:
    """How many timbres have been found so far; None if nobody is looking for them."""
    notes = [note for note in _notes(root, "casting") if abs(time.time() - note["time"]) < STALE_S]
    return int(notes[0]["passed"]) if notes else None


def _notes(root: Path, kind: str) -> Iterator[dict[str, Any]]:
    for path in _paths(root, kind):
        # Its writer may take it away at any moment.
        with suppress(OSError, ValueError):
            yield json.loads(path.read_bytes())


def _paths(root: Path, kind: str) -> list[Path]:
    folder = _folder(root, kind)
    with suppress(OSError):
        return sorted((path for path in folder.iterdir() if path.suffix == ".json"), key=str)
    return []
