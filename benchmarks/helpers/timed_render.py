"""Renders a config in this process and prints a CPU profile as JSON.

    .venv/bin/python -m benchmarks.helpers.timed_render CONFIG OUT

The profiler wraps the functions of each part. A part that is called within another one counts only as the
inner one. `cpu_s` has CPU seconds by part; `plugin` is the CPU time of the plugin's processes. `rss_mib` is
this process's memory at every 1,000th clip.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from manifests.synthesis import compose
from presets.tones import making as tones
from render import config
from render import tones as tone_sets
from render.clips import clips, player, shard
from render.execution import run
from render.planning.plan import make_plan, write_plan

PARTS: list[tuple[Any, str, str]] = [
    (tones, "make_tone_set", "tones"),
    (player, "play_group", "playing"),
    (compose, "dry", "composing"),
    (compose, "gain", "composing"),
    (clips.Composer, "pcm", "composing"),
    (compose, "to_int16", "composing"),
    (clips, "encode_flac", "flac"),
    (compose, "pcm_sha256", "hashing"),
    (compose, "rms", "describing"),
    (clips, "observability", "describing"),
    (clips, "canonical_json", "describing"),
    (shard.tar_writer(), "write", "tar"),
    (shard.HashingWriter, "write", "tar"),
    (shard, "to_table", "parquet"),
    (shard, "table_bytes", "parquet"),
    (run, "finish", "parquet"),
]


class CpuProfiler:
    """Collects CPU seconds of this process by part. A part within another one pauses the outer one."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}
        self._stack: list[str] = []
        self._last = time.process_time()

    def record(self) -> None:
        """Adds the CPU time since the last call to the innermost running part, or to `rest` if none runs."""
        now = time.process_time()
        part = self._stack[-1] if self._stack else "rest"
        self.cpu_s[part] = self.cpu_s.get(part, 0.0) + now - self._last
        self._last = now

    def profile_calls(self, holder: Any, name: str, part: str) -> None:
        """Replaces the function or method `name` of `holder` by one that counts its time as `part`."""
        inner: Callable[..., Any] = getattr(holder, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            self.record()
            self._stack.append(part)
            try:
                return inner(*arguments, **named)
            finally:
                self.record()
                self._stack.pop()

        setattr(holder, name, timed)


def rss_mib() -> float:
    """Returns this process's resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Plans and renders the config, and prints the profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path, help="config of the dataset")
    parser.add_argument("out", type=Path, help="folder for the dataset")
    args = parser.parse_args()
    clock = CpuProfiler()
    clock.cpu_s["imports"] = time.process_time()
    memory: list[float] = []
    encode = clips.encode_flac

    def counted(*arguments: Any) -> bytes:
        memory.append(rss_mib())
        return encode(*arguments)

    setattr(clips, "encode_flac", counted)  # noqa: B010
    for holder, name, part in PARTS:
        clock.profile_calls(holder, name, part)
    setattr(tone_sets, "make_tone_set", tones.make_tone_set)  # noqa: B010
    write_plan(make_plan(config.load(args.config)), args.out)
    run.run(args.out, Console(quiet=True))
    clock.record()
    # A host process ends with its last reference. Its CPU time is known only after that.
    tone_sets.cached_host.cache_clear()
    gc.collect()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock.cpu_s["plugin"] = used.ru_utime + used.ru_stime
    print(json.dumps({"clips": len(memory), "cpu_s": clock.cpu_s, "rss_mib": memory[::1000]}))


if __name__ == "__main__":
    main()
