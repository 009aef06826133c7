"""Keeps small JSON notes in a dataset's `.work/state`: running shards, failed shards, refusing machines.

The notes are informative only. No result depends on them, and they may be deleted.
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
"""Seconds between two updates of a worker's note."""
STALE_S = 120.0
"""A worker whose note is older than this many seconds counts as dead."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's note on the shard that it renders.

    `clips` counts this shard's clips at Unix time `time`. `made` and `seconds` are the totals of the process.
    """

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


def _write(path: Path, note: dict[str, Any]) -> None:
    # An informative note must not stop the work. The shard itself meets and reports a full disk.
    with suppress(OSError):
        files.replace(path, json.dumps(note, sort_keys=True).encode())


def _forget(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


@dataclass
class _Pace:
    """Counts the clips that this process made and the seconds they took."""

    clips: int = 0
    seconds: float = 0.0


_pace = _Pace()


@contextmanager
def claim(root: Path, shard: str) -> Iterator[Callable[[Iterable[T]], Iterator[T]]]:
    """Keeps this process's note on a shard; yields a wrapper that updates it while clips are iterated.

    The note is removed at the end. A note of an earlier failure is removed when the block succeeds.
    """
    path = _note(root, "running", _name(shard))
    begun, before, clips = time.monotonic(), _pace.seconds, 0

    def tracked(made: Iterable[T]) -> Iterator[T]:
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
        yield tracked
    finally:
        _forget(path)
    _forget(_note(root, "failed", _name(shard)))


def fail(root: Path, shard: str, line: str) -> None:
    """Writes the reason why a shard failed."""
    _write(_note(root, "failed", _name(shard)), {"shard": shard, "reason": line, "node": platform.node()})


def refuse(root: Path, worker: str, line: str) -> None:
    """Writes the reason why a machine must not work on the dataset."""
    _write(_note(root, "refused", worker), {"worker": worker, "reason": line})


def clear_notes(root: Path) -> None:
    """Deletes notes of failures and refusals of earlier runs, whose causes may be gone."""
    for kind in ("failed", "refused", "casting"):
        for path in _paths(root, kind):
            _forget(path)


def casting(root: Path, passed: int, wanted: int) -> None:
    """Writes how many timbres have passed so far."""
    _write(_note(root, "casting", "timbres"), {"passed": passed, "wanted": wanted, "time": time.time()})


def clear_casting(root: Path) -> None:
    """Deletes the note of the casting stage."""
    _forget(_note(root, "casting", "timbres"))


def active_claims(root: Path) -> list[Claim]:
    """Returns the notes of workers that render a shard now."""
    claims = [claim for note in _notes(root, "running") if (claim := _claim(note)) is not None]
    return [claim for claim in claims if abs(time.time() - claim.time) < STALE_S]


def _claim(note: dict[str, Any]) -> Claim | None:
    try:
        return Claim(**note)
    except TypeError:
        return None


def failed(root: Path) -> dict[str, str]:
    """Maps each failed shard to its reason."""
    return {note["shard"]: note["reason"] for note in _notes(root, "failed")}


def refused(root: Path) -> dict[str, str]:
    """Maps each refusing machine to its reason."""
    return {note["worker"]: note["reason"] for note in _notes(root, "refused")}


def timbres_passed(root: Path) -> int | None:
    """Returns how many timbres have passed so far, or None if no run is casting."""
    notes = [note for note in _notes(root, "casting") if abs(time.time() - note["time"]) < STALE_S]
    return int(notes[0]["passed"]) if notes else None


def _notes(root: Path, kind: str) -> Iterator[dict[str, Any]]:
    for path in _paths(root, kind):
        # Its writer may delete it at any moment.
        with suppress(OSError, ValueError):
            yield json.loads(path.read_bytes())


def _paths(root: Path, kind: str) -> list[Path]:
    folder = _folder(root, kind)
    with suppress(OSError):
        return sorted((path for path in folder.iterdir() if path.suffix == ".json"), key=str)
    return []
