"""Reproducible: random clips are made again from their rows alone, by the renderer, and compared.

The renderer runs as a subprocess (`python -m render remake`): this package never imports it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from manifests.audit.findings import Finding


def rerender_findings(root: Path, keys: Sequence[str]) -> Iterator[Finding]:
    """Makes the clips of these keys again, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "keys"
        wanted.write_text("\n".join(keys))
        # -P would hide the package in a checkout that is not installed, so the path is left as it is.
        answer = subprocess.run(
            [sys.executable, "-m", "render", "remake", str(root), f"@{wanted}", "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
    made = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    for clip in made:
        # None: the synth is not deterministic, there is nothing to compare.
        if clip["same"] is False:
            yield Finding("rerender", clip["key"], "made again from its row, it came out differently")
    if len(made) < len(keys):
        last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding("rerender", str(root), f"{len(made)} of {len(keys)} clips could be made again: {last}")
