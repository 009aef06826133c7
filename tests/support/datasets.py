"""A small dataset's configuration; datasets compared byte by byte, and their tables rewritten."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from manifests.dataset.layout import Layout, write_table

Rows = list[dict[str, Any]]

TINY: dict[str, Any] = {
    "name": "tiny",
    "seed": 5,
    "timbres": [{"synth": "builtin", "count": 6}],
    "tones": {"lowest_pitch": 52, "highest_pitch": 72, "max_level_variation_db": 1.0},
    "envelopes": {
        "pluck": {
            "count": 3,
            "attack_ms": [10, 50],
            "hold_ms": [0, 20],
            "decay_ms": [50, 200],
            "sustain": [0, 0.2],
            "release_ms": [30, 120],
        },
        "lead": {
            "count": 3,
            "attack_ms": [10, 100],
            "hold_ms": [0, 200],
            "decay_ms": [100, 300],
            "sustain": [0.4, 0.8],
            "release_ms": [80, 300],
        },
    },
    "phrases": {"generated": {"count": 6, "generate": {"lowest_pitch": 52, "highest_pitch": 72}}},
    "splits": {"test_timbres": 0.34, "test_envelopes": 0.34, "test_phrases": 0.34, "validation": 0.2},
    "blocks": {"timbres": 2, "envelopes": 2, "phrases": 2, "per_shard": 2},
}


def write_config(folder: Path, **changes: Any) -> Path:
    """Writes TINY with top-level settings replaced as a YAML file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}))
    return path


def file_hashes(root: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file of a dataset folder except `.work`."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] != ".work"
    }


def rewrite_table(root: Path, table: str, change: Callable[[Rows], None]) -> None:
    """Rewrites one of a folder's tables."""
    old = Layout(root).read(table)
    rows = old.to_pylist(maps_as_pydicts="strict")
    change(rows)
    write_table(Layout(root).table(table), type(old).from_pylist(rows, schema=old.schema))
