"""Reproducibility check: the renderer makes clips again from their rows alone, and they are compared.

The renderer runs as a subprocess (`python -m render remake`): this package never imports it.
"""

from __future__ import annotations

import io
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import soundfile

from manifests import child_process
from manifests.audit.findings import Finding
from manifests.dataset.layout import Layout, read_table
from manifests.dataset.storage import read_range
from manifests.synthesis.compose import FULL_SCALE, pcm_sha256
from manifests.types import ClipId

COLUMNS = ("shard", "offset", "length", "pcm_sha256")
"""Columns of the clip table that the comparison needs."""
ROUNDING_DB = -80.0
"""Highest difference that another platform class explains, dBFS."""


def rerender_findings(layout: Layout, keys: Sequence[str], looked_at: list[str]) -> Iterator[Finding]:
    """Renders clips again in a subprocess; a finding says by how much one differs, and why it may.

    Args:
        layout: The dataset's folder, on this machine.
        keys: Keys of the clips.
        looked_at: Receives a line with how many clips were rendered, and how many of them cannot be compared
            because their synth is not deterministic.
    """
    root = layout.root
    with tempfile.TemporaryDirectory() as folder:
        key_file, out = Path(folder) / "keys", Path(folder) / "made"
        key_file.write_text("\n".join(keys), encoding="utf-8")
        done = subprocess.run(
            [
                *child_process.module_command("render", "remake", str(root), f"@{key_file}"),
                *("--json", "--out", str(out)),
            ],
            env=child_process.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        made = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        for clip in made:
            # None: the synth is not deterministic, there is nothing to compare.
            if clip["same"] is False:
                how = _difference(layout, clip["key"], out / f"{clip['key']}.flac", clip["audio"])
                yield Finding("rerender", clip["key"], f"made again, it came out differently: {how}")
    random = sum(clip["same"] is None for clip in made)
    looked_at.append(
        f"{len(made)} clips" + (f", {random} of synths that are not deterministic" if random else "")
    )
    if len(made) < len(keys):
        # The renderer's last line says why: another plugin or version, or tones that came out differently.
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding("rerender", str(root), f"{len(made)} of {len(keys)} clips could be made again: {last}")


def _difference(layout: Layout, key: str, made: Path, audio: str) -> str:
    """Describes how a clip made again differs from the one in its shard, and what may explain it.

    `made` is its FLAC file, `audio` the audio version of the renderer here.
    """
    row = next(
        row
        for row in read_table(_table_of(layout, key), "clips").select(["key", *COLUMNS]).to_pylist()
        if row["key"] == key
    )
    try:
        data = read_range(layout.inside(row["shard"]), row["offset"], row["length"])
        stored, _ = soundfile.read(io.BytesIO(data), dtype="int16")
        again, _ = soundfile.read(made, dtype="int16")
    except (OSError, soundfile.LibsndfileError):
        return "the clip in the shard cannot be read"
    if pcm_sha256(stored) != row["pcm_sha256"]:
        return "the clip in the shard differs from its row, too"
    if len(stored) != len(again):
        return f"{len(stored)} frames in the shard, {len(again)} made again"
    largest = int(np.abs(stored.astype(np.int32) - again).max())
    if largest == 0:
        return "the samples are equal, but the row holds another hash"
    decibels = 20.0 * np.log10(largest / FULL_SCALE)
    why = "another platform class" if decibels <= ROUNDING_DB else "changed tables, or another renderer"
    return f"by up to {decibels:.1f} dBFS ({'; '.join([why, *_versions(layout, audio)])})"


def _versions(layout: Layout, audio: str) -> list[str]:
    """Describes the libraries, and the renderer's audio version, that differ from those here."""
    planned = layout.metadata()
    then = {
        **planned.get("platform", {}).get("libraries", {}),
        "audio": planned.get("fingerprint_of", {}).get("audio"),
    }
    now = {distribution.name: distribution.version for distribution in metadata.distributions()}
    now["audio"] = audio
    return [
        f"made with {name} {version}, here is {now.get(name, 'none')}"
        for name, version in sorted(then.items())
        if now.get(name) != version
    ]


def _table_of(layout: Layout, key: str) -> Path:
    """Returns the clip table that holds a key."""
    block = layout.read("blocks").slice(ClipId.parse(key).block, 1).to_pylist()[0]
    return layout.clip_table(block["shard"])
