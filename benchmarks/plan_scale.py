"""How long planning takes, and how much memory: `python -m benchmarks.plan_scale`.

Plans 250 x 120 x 112 and 2500 x 120 x 112 (3 and 30 million clips, the reference dataset and ten times that)
with the renderer's own code, each in a process of its own: envelopes, phrases, sides, blocks, shards, tables
written. Timbres are made up, since finding them is rendering. Then what a run does first: the plan is opened,
its shards are listed, one shard's blocks are read.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.audit_scale import config_of, timbre_rows
from manifests.dataset.layout import Layout, to_table, write_table
from render.clips.dataset import PlannedDataset
from render.planning.plan import make_plan, write_plan
from render.planning.product import cut_blocks

SHAPES = ((250, 120, 112), (2500, 120, 112), (250, 1200, 112), (250, 120, 1120))


def plan(root: Path, timbres: int, envelopes: int, phrases: int) -> dict[str, float]:
    """Plans one dataset and opens it; seconds of each part, and the largest memory used so far, in MB."""
    config = config_of(timbres, envelopes, phrases)
    begin = time.process_time()
    planned = make_plan(config)
    write_plan(planned, root)
    ids = time.process_time()
    rows = timbre_rows(config)
    made_up = time.process_time()
    blocks = cut_blocks(config, rows, planned.envelopes, planned.phrases)
    layout = Layout(root)
    write_table(layout.table("timbres"), to_table("timbres", rows))
    write_table(layout.table("blocks"), blocks)
    cut = time.process_time()
    planning = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    dataset = PlannedDataset(root)
    shards = dataset.shards
    dataset.blocks_of(next(iter(shards)))
    opened = time.process_time()
    costs = [shard.clips for shard in shards.values() if shard.split == "train"]
    return {
        "clips": sum(shard.clips for shard in shards.values()),
        "blocks": blocks.num_rows,
        "shards": len(shards),
        "lightest": min(costs),
        "heaviest": max(costs),
        "ids": ids - begin,
        "cut": cut - made_up,
        "open": opened - cut,
        "mb": planning,
        "table": layout.table("blocks").stat().st_size / 1e6,
    }


def main() -> None:
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory(prefix="triptych-plan-") as folder:
            print(json.dumps(plan(Path(folder) / "dataset", *map(int, sys.argv[1:4]))))
        return
    print("| shape | clips | blocks | shards (train: clips) | ids | cut | open | peak MB | blocks.parquet |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for shape in SHAPES:
        command = [sys.executable, "-m", "benchmarks.plan_scale", *map(str, shape)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        got = json.loads(done.stdout)
        print(
            f"| {'x'.join(map(str, shape))} | {got['clips']:,} | {got['blocks']:,} | {got['shards']:,}"
            f" ({got['lightest']:,} to {got['heaviest']:,}) | {got['ids']:.1f} s | {got['cut']:.1f} s |"
            f" {got['open']:.1f} s | {got['mb']:.0f} | {got['table']:.1f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
