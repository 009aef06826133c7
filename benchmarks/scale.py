"""Renders 100,000 clips and extrapolates the cost of millions: `python -m benchmarks.scale --out DIR`.

It runs `render plan --estimate`, renders with two workers, samples the memory of all their processes and
audits the tables. It prints the estimate beside the measured cost. Then it extrapolates to 3 and 30 million
clips: the size of the SynthCAT dataset, and ten times that. Run it on an idle machine. DIR needs 10 GB.
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
"""Timbres and clips, over all splits, of 250 and 2500 timbres x 120 x 112 (see plan_scale.py)."""


def dataset_config(clips: int) -> dict[str, Any]:
    """Returns a config of 40 amsynth presets, 48 envelopes and as many phrases as `clips` clips need."""
    return {
        "name": "scale",
        "seed": 3,
        "timbres": [{"synth": "amsynth", "count": 40}],
        "envelopes": {"pluck": {"count": 24, **PLUCK}, "lead": {"count": 24, **LEAD}},
        "phrases": {"generated": {"count": -(-clips // 1728)}},
    }


class MemoryMonitor(threading.Thread):
    """Samples the memory of a process and its descendants twice a second, until `stopped` is set.

    `largest` is the peak of a single process, `total` that of all together, both in bytes.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process, self.stopped = psutil.Process(pid), threading.Event()
        self.largest, self.total = 0, 0

    def run(self) -> None:
        """Samples until `stopped` is set; `start` calls this in the thread."""
        while not self.stopped.wait(0.5):
            sizes = []
            for process in [self.process, *self.process.children(recursive=True)]:
                try:
                    sizes.append(process.memory_info().rss)
                except psutil.Error:
                    continue
            self.largest = max([self.largest, *sizes])
            self.total = max(self.total, sum(sizes))


def run_module(*arguments: str) -> str:
    """Runs `python -m ARGUMENTS`. Returns its standard output; raises CalledProcessError if it fails."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def children_cpu_s() -> float:
    """Returns the CPU seconds of all child processes that have ended, including their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Renders, audits and prints the tables of measured and extrapolated costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="new folder for the config and the dataset")
    parser.add_argument("--clips", type=int, default=100_000, help="number of clips, at least")
    parser.add_argument("--workers", type=int, default=2, help="render workers")
    args = parser.parse_args()
    args.out.mkdir(parents=True)
    config, root = args.out / "config.yaml", args.out / "dataset"
    config.write_text(yaml.safe_dump(dataset_config(args.clips)))
    estimate = json.loads(run_module("render", "plan", str(config), "--estimate", "--json"))
    run_module("render", "plan", str(config), "--out", str(root))
    used, begin = children_cpu_s(), time.perf_counter()
    run = subprocess.Popen([sys.executable, "-m", "render", "run", str(root), "--workers", str(args.workers)])
    memory = MemoryMonitor(run.pid)
    memory.start()
    if run.wait():
        sys.exit(run.returncode)
    seconds, core_seconds = time.perf_counter() - begin, children_cpu_s() - used
    memory.stopped.set()
    state = json.loads(run_module("render", "status", str(root), "--json"))["total"]
    used = children_cpu_s()
    run_module("manifests", "audit", str(root))
    audit = children_cpu_s() - used
    clips = state["clips_done"]
    size = sum(path.stat().st_size for path in root.rglob("*") if ".work" not in path.parts)
    print(f"{clips:,} clips, {state['hours_done']:.1f} hours of audio, {state['shards_done']} shards\n")
    print("| quantity | estimated | measured |\n| --- | --- | --- |")
    print(f"| core-seconds | {estimate['core_hours'] * 3600:.0f} | {core_seconds:.0f} |")
    estimated_s = estimate["seconds_on"][str(args.workers)]
    print(f"| seconds on {args.workers} cores | {estimated_s:.0f} | {seconds:.0f} |")
    print(f"| GB | {estimate['bytes'] / 1e9:.2f} | {size / 1e9:.2f} |")
    print(f"| clips | {estimate['clips']:,} | {clips:,} |")
    print(f"| shards | {estimate['shards']} | {state['shards_done']} |\n")
    rate = clips / seconds
    core_ms = 1000 * core_seconds / clips
    print(f"- {rate:.0f} clips a second, {rate * 3:.0f} times real time, {core_ms:.2f} core-ms a clip")
    print(f"- peak memory: {memory.largest >> 20} MiB for the largest process,", end=" ")
    print(f"{memory.total >> 20} MiB for all processes together")
    print(f"- audit of the tables: {audit:.1f} CPU seconds\n")
    print("| clips | core-hours | GB | on 16 cores | on 256 cores |\n| --- | --- | --- | --- | --- |")
    # Costs of timbres and of clips grow differently, so each is extrapolated on its own.
    measured_ratio = core_seconds / (estimate["core_hours"] * 3600)
    for timbres, count in TARGETS:
        work = measured_ratio * (timbres * estimate["seconds_a_timbre"] + count * estimate["seconds_a_clip"])
        hours = [work / 3600 / cores for cores in (1, 16, 256)]
        row = (
            f"{hours[0]:.1f} | {size / clips * count / 1e9:.0f} | {hours[1]:.2f} h | {60 * hours[2]:.1f} min"
        )
        print(f"| {count:,} | {row} |")


if __name__ == "__main__":
    main()
