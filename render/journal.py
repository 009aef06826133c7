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
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from manifests import files

T = TypeVar("T")

BEAT_S = 20.0
"""How often a worker says that it is still at a shard."""


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


@contextmanager
def claim(root: Path, shard: str) -> Iterator[Callable[[Iterable[T]], Iterator[T]]]:
    """Says that this process is at a shard, as often as needed while what it yields is run through."""
    path = _note(root, "running", _name(shard))
    last = 0.0

    def alive(clips: Iterable[T]) -> Iterator[T]:
        nonlocal last
        for clip in clips:
            if (now := time.time()) - last > BEAT_S:
                last = now
                _write(path, {"shard": shard, "node": platform.node(), "pid": os.getpid(), "time": now})
            yield clip

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
    for kind in ("failed", "refused"):
        for path in _paths(root, kind):
            _forget(path)


def _paths(root: Path, kind: str) -> list[Path]:
    folder = _folder(root, kind)
    with suppress(OSError):
        return sorted((path for path in folder.iterdir() if path.suffix == ".json"), key=str)
    return []
