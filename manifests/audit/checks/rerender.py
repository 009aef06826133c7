"""Reproducible: random clips are made again from their rows alone, by the renderer, and compared.

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

PLACE = ("shard", "offset", "length", "pcm_sha256")
ROUNDING_DB = -80.0
"""Across platform classes PCM agrees to below this."""


def rerender_findings(layout: Layout, keys: Sequence[str], said: list[str]) -> Iterator[Finding]:
    """Makes the clips of these keys again, in a process of its own; says by how much one differs, and why.

    How many were made, and how many of those cannot be compared since their synth never repeats itself,
    is added to `said`.
    """
    root = layout.root
    with tempfile.TemporaryDirectory() as folder:
        wanted, made_again = Path(folder) / "keys", Path(folder) / "made"
        wanted.write_text("\n".join(keys))
        answer = subprocess.run(
            [
                *child_process.module_command("render", "remake", str(root), f"@{wanted}"),
                *("--json", "--out", str(made_again)),
            ],
            env=child_process.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        made = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
        for clip in made:
            # None: the synth is not deterministic, there is nothing to compare.
            if clip["same"] is False:
                apart = _apart(layout, clip["key"], made_again / f"{clip['key']}.flac", clip["audio"])
                yield Finding("rerender", clip["key"], f"made again, it came out differently: {apart}")
    unlike = sum(clip["same"] is None for clip in made)
    said.append(f"{len(made)} clips" + (f", {unlike} of synths that are not deterministic" if unlike else ""))
    if len(made) < len(keys):
        # The renderer's last line says why: another plugin or version, or tones that came out differently.
        last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding("rerender", str(root), f"{len(made)} of {len(keys)} clips could be made again: {last}")


def _apart(layout: Layout, key: str, made: Path, audio: str) -> str:
    """How far a clip made again is from the one in its shard, and what that speaks for."""
    row = next(
        row
        for row in read_table(_table_of(layout, key), "clips").select(["key", *PLACE]).to_pylist()
        if row["key"] == key
    )
    try:
        data = read_range(layout.inside(row["shard"]), row["offset"], row["length"])
        there, _ = soundfile.read(io.BytesIO(data), dtype="int16")
        here, _ = soundfile.read(made, dtype="int16")
    except (OSError, soundfile.LibsndfileError):
        return "the clip in the shard cannot be read"
    if pcm_sha256(there) != row["pcm_sha256"]:
        return "the clip in the shard is not its row's either"
    if len(there) != len(here):
        return f"{len(there)} frames there, {len(here)} here"
    largest = int(np.abs(there.astype(np.int32) - here).max())
    if largest == 0:
        return "the shard holds what was made here, but its row names another hash"
    decibels = 20.0 * np.log10(largest / FULL_SCALE)
    why = "another platform class" if decibels <= ROUNDING_DB else "changed tables, or another renderer"
    return f"by up to {decibels:.1f} dBFS ({'; '.join([why, *_versions(layout, audio)])})"


def _versions(layout: Layout, audio: str) -> list[str]:
    """The libraries, and the renderer's own sound, that were of another version than the one here."""
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
    block = layout.read("blocks").slice(ClipId.parse(key).block, 1).to_pylist()[0]
    return layout.clip_table(block["shard"])
