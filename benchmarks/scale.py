"""100,000 clips, really rendered, and the way from there to millions: `python -m benchmarks.scale --out DIR`.

Asks `render plan --estimate` first, then renders with two workers while the memory of every process of the
run is looked at, and audits the tables. Prints what was estimated beside what it took, and what the reference
dataset (3 million clips) and ten times that follow to be. Run it on an idle machine; DIR needs 10 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import yaml

PLUCK = {
    "attack_ms": [10, 50],
    "decay_ms": [50, 200],
    "hold_ms": [0, 20],
    "sustain": [0, 0.2],
    "release_ms": [30, 120],
}
LEAD = {
    "attack_ms": [10, 100],
    "decay_ms": [100, 300],
    "hold_ms": [0, 200],
    "sustain": [0.4, 0.8],
    "release_ms": [80, 300],
}
TARGETS = ((250, 3_040_800), (2500, 30_408_000))
"""Timbres and clips of 250 and 2500 x 120 x 112, every split rendered whole (benchmarks/plan_scale.py)."""


def config_of(clips: int) -> dict[str, Any]:
    """The reference's families and amsynth's presets, 40 x 48 x as many phrases as make `clips` clips."""
    return {
        "name": "scale",
        "seed": 3,
        "timbres": [{"synth": "amsynth", "count": 40}],
        "envelopes": {"pluck": {"count": 24, **PLUCK}, "lead": {"count": 24, **LEAD}},
        "phrases": {"generated": {"count": -(-clips // 1728)}},
    }


class Memory(threading.Thread):
    """Looks at a process and all below it twice a second: the largest one, and all of them together."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process, self.over = psutil.Process(pid), threading.Event()
        self.largest, self.together = 0, 0

    def run(self) -> None:
        while not self.over.wait(0.5):
            sizes = []
            for process in [self.process, *self.process.children(recursive=True)]:
                try:
                    sizes.append(process.memory_info().rss)
                except psutil.Error:
                    continue
            self.largest = max([self.largest, *sizes])
            self.together = max(self.together, sum(sizes))


def command(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True)
    config, root = args.out / "config.yaml", args.out / "dataset"
    config.write_text(yaml.safe_dump(config_of(args.clips)))
    told = json.loads(command("render", "plan", str(config), "--estimate", "--json"))
    command("render", "plan", str(config), "--out", str(root))
    used, begin = cpu(), time.perf_counter()
    run = subprocess.Popen([sys.executable, "-m", "render", "run", str(root), "--workers", str(args.workers)])
    memory = Memory(run.pid)
    memory.start()
    if run.wait():
        sys.exit(run.returncode)
    seconds, core_seconds = time.perf_counter() - begin, cpu() - used
    memory.over.set()
    state = json.loads(command("render", "status", str(root), "--json"))["total"]
    used = cpu()
    command("manifests", "audit", str(root))
    audit = cpu() - used
    clips = state["clips_done"]
    size = sum(path.stat().st_size for path in root.rglob("*") if ".work" not in path.parts)
    print(f"{clips:,} clips, {state['hours_done']:.1f} hours of audio, {state['shards_done']} shards\n")
    print("| what | estimated | rendered |\n| --- | --- | --- |")
    print(f"| core-seconds | {told['core_hours'] * 3600:.0f} | {core_seconds:.0f} |")
    print(
        f"| seconds on {args.workers} cores | {told['seconds_on'][str(args.workers)]:.0f} | {seconds:.0f} |"
    )
    print(f"| GB | {told['bytes'] / 1e9:.2f} | {size / 1e9:.2f} |")
    print(f"| clips, shards | {told['clips']:,}, {told['shards']} | {clips:,}, {state['shards_done']} |\n")
    rate = clips / seconds
    each = 1000 * core_seconds / clips
    print(f"{rate:.0f} clips a second, {rate * 3:.0f}x real time, {each:.2f} core-ms a clip;")
    print(
        f"memory: {memory.largest >> 20} MiB the largest process, {memory.together >> 20} MiB all together;"
    )
    print(f"audit of the tables: {audit:.1f} CPU seconds\n")
    print("| clips | core-hours | GB | on 16 cores | on 256 cores |\n| --- | --- | --- | --- | --- |")
    # The estimate splits what was rendered into timbres and clips: the two do not grow alike.
    measured = core_seconds / (told["core_hours"] * 3600)
    for timbres, count in TARGETS:
        work = measured * (timbres * told["seconds_a_timbre"] + count * told["seconds_a_clip"])
        hours = [work / 3600 / cores for cores in (1, 16, 256)]
        row = (
            f"{hours[0]:.1f} | {size / clips * count / 1e9:.0f} | {hours[1]:.2f} h | {60 * hours[2]:.1f} min"
        )
        print(f"| {count:,} | {row} |")


if __name__ == "__main__":
    main()
