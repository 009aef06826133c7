"""Measures the time and memory of planning 3 and 30 million clips: `python -m benchmarks.plan_scale`.

It plans 250 timbres x 120 envelopes x 112 phrases, the size of the SynthCAT dataset, with the renderer's own
code. Three more plans have ten times as many timbres, envelopes or phrases. Each plan has its own process.
Timbres are synthetic, because selecting real ones is rendering. The steps are:

- ids: draws envelopes, phrases and their sides, and writes their tables;
- cut: cuts blocks and shards, and writes their tables;
- open: opens the plan, lists its shards and reads one shard's blocks, as a run does first.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.audit_scale import dataset_config, synthetic_timbre_rows
from manifests.dataset.layout import Layout, to_table, write_table
from render.clips.dataset import PlannedDataset
from render.planning.plan import make_plan, write_plan
from render.planning.product import cut_blocks

SHAPES = ((250, 120, 112), (2500, 120, 112), (250, 1200, 112), (250, 120, 1120))
"""Timbres, envelopes and phrases of each plan."""


def measure_plan(root: Path, timbres: int, envelopes: int, phrases: int) -> dict[str, float]:
    """Plans one dataset and opens it. Returns its sizes, CPU seconds of each step and peak memory in MB."""
    config = dataset_config(timbres, envelopes, phrases)
    begin = time.process_time()
    planned = make_plan(config)
    write_plan(planned, root)
    ids = time.process_time()
    rows = synthetic_timbre_rows(config)
    timbres_written = time.process_time()
    blocks = cut_blocks(config, rows, planned.envelopes, planned.phrases)
    layout = Layout(root)
    write_table(layout.table("timbres"), to_table("timbres", rows))
    write_table(layout.table("blocks"), blocks)
    cut = time.process_time()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    dataset = PlannedDataset(root)
    shards = dataset.shards
    dataset.blocks_of(next(iter(shards)))
    opened = time.process_time()
    train_clips = [shard.clips for shard in shards.values() if shard.split == "train"]
    return {
        "clips": sum(shard.clips for shard in shards.values()),
        "blocks": blocks.num_rows,
        "shards": len(shards),
        "smallest_shard": min(train_clips),
        "largest_shard": max(train_clips),
        "ids_s": ids - begin,
        "cut_s": cut - timbres_written,
        "open_s": opened - cut,
        "peak_mb": peak_mb,
        "block_table_mb": layout.table("blocks").stat().st_size / 1e6,
    }


def main() -> None:
    """Plans each of `SHAPES` in its own process and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shape", nargs=3, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.shape:
        with tempfile.TemporaryDirectory(prefix="triptych-plan-") as folder:
            print(json.dumps(measure_plan(Path(folder) / "dataset", *args.shape)))
        return
    print("| shape | clips | blocks | shards (train: clips) | ids | cut | open | peak MB | blocks.parquet |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for shape in SHAPES:
        command = [sys.executable, "-m", "benchmarks.plan_scale", "--shape", *map(str, shape)]
        completed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(completed.stdout)
        print(
            f"| {'x'.join(map(str, shape))} | {row['clips']:,} | {row['blocks']:,} | {row['shards']:,}"
            f" ({row['smallest_shard']:,} to {row['largest_shard']:,}) | {row['ids_s']:.1f} s |"
            f" {row['cut_s']:.1f} s | {row['open_s']:.1f} s | {row['peak_mb']:.0f} |"
            f" {row['block_table_mb']:.1f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
