"""`python -m benchmarks.timed_render CONFIG OUT`: renders a plan in this process and prints, as JSON, CPU
seconds by what they went into.

The parts are timed by wrapping the functions that do them; what a part calls of another part is counted
there, not twice. `plugin` is the CPU time of the processes that hold it, `rss_mib` this
process's memory at every 1,000th clip.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
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
    (clips, "observed", "describing"),
    (clips, "canonical_json", "describing"),
    (shard.tar_writer(), "write", "tar"),
    (shard.HashingWriter, "write", "tar"),
    (shard, "to_table", "parquet"),
    (shard, "table_bytes", "parquet"),
    (run, "finish", "parquet"),
]


class Clock:
    """CPU seconds of this process by part; a part within another one stops the outer one's clock."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._open: list[str] = []
        self._since = time.process_time()

    def turn(self) -> None:
        """Books what has passed on the part that is open now."""
        now = time.process_time()
        part = self._open[-1] if self._open else "rest"
        self.spent[part] = self.spent.get(part, 0.0) + now - self._since
        self._since = now

    def wrap(self, holder: Any, name: str, part: str) -> None:
        inner: Callable[..., Any] = getattr(holder, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            self.turn()
            self._open.append(part)
            try:
                return inner(*arguments, **named)
            finally:
                self.turn()
                self._open.pop()

        setattr(holder, name, timed)


def rss_mib() -> float:
    """This process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    clock = Clock()
    clock.spent["imports"] = time.process_time()
    memory: list[float] = []
    encode = clips.encode_flac

    def counted(*arguments: Any) -> bytes:
        memory.append(rss_mib())
        return encode(*arguments)

    setattr(clips, "encode_flac", counted)  # noqa: B010
    for holder, name, part in PARTS:
        clock.wrap(holder, name, part)
    setattr(tone_sets, "make_tone_set", tones.make_tone_set)  # noqa: B010
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    write_plan(make_plan(config.load(source)), out)
    run.run(out, Console(quiet=True))
    clock.turn()
    # Hosts end with their last reference; only then is their time known.
    tone_sets.host_of.cache_clear()
    gc.collect()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock.spent["plugin"] = used.ru_utime + used.ru_stime
    print(json.dumps({"clips": len(memory), "cpu_s": clock.spent, "rss_mib": memory[::1000]}))


if __name__ == "__main__":
    main()
