"""Measures the cost of a training step on this machine: operations, memory and time.

    .venv/bin/python -m benchmarks.training_cost [--configs base small tiny demo] [--batches 2 6]

Each config has its own process. It makes two steps of the adversarial phase at each batch size, on 3 s
examples of the built-in synth, which are rendered first.

- Operations are those of matrix products and convolutions, counted by torch over the forward and backward
  passes of codec and discriminator. A multiply and an add count as two.
- Memory of one example is the growth of the process's peak from the smaller to the larger batch, per example.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path

import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.codec_speed import (
    ENVELOPES,
    ROOT,
    build_system,
    million_parameters,
    peak_mib,
    step_seconds,
)
from train.config import load_config
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables

CPU = torch.device("cpu")


def make_dataset(folder: Path) -> Path:
    """Renders a small dataset of clips of the default length, 3 s. Returns its folder."""
    config = {
        "name": "cost", "seed": 1, "timbres": [{"synth": "builtin", "count": 8}],
        "envelopes": {"all": ENVELOPES}, "phrases": {"generated": {"count": 8}},
        "splits": {"test_timbres": 0.25, "test_envelopes": 0.25, "test_phrases": 0.25},
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    path = str(folder / "config.yaml")
    command = [sys.executable, "-m", "render", "make", path, "--out", str(folder / "set")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    return folder / "set"


def measure_cost(config_path: Path, data: Path, batches: list[int]) -> dict[str, float]:
    """Measures one config in this process.

    Returns `million_parameters`, `gflop_per_example`, `mib_per_example` and `seconds_per_example` of the
    larger batch.
    """
    config, tables = load_config(config_path), Tables.open(data)
    system = build_system(config, tables, CPU)
    classes = {timbre: index for index, timbre in enumerate(tables.train_timbres)}
    with Loader(ShardSource(tables), system.kinds, 1, 2, 1) as loader:
        examples = list(islice(loader, max(batches)))
    figures = {"million_parameters": million_parameters(system, "codec")}
    peaks = []
    for count in sorted(batches):
        batch = system.collate(examples[:count], classes)
        figures["seconds_per_example"] = step_seconds(system, batch, False, 1)["step"] / count
        peaks.append(peak_mib(CPU))
    figures["mib_per_example"] = (peaks[-1] - peaks[0]) / (max(batches) - min(batches))
    with FlopCounterMode(display=False) as counter:
        for turn in system.training_losses(system.collate(examples[:2], classes), progress=0.99):
            torch.stack(list(turn.losses.values())).sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
    # The batch has two examples.
    figures["gflop_per_example"] = counter.get_total_flops() / 2e9
    return figures


def main() -> None:
    """Measures each config in its own process and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    default = ["base", "small", "tiny", "demo"]
    parser.add_argument("--configs", nargs="+", default=default, help="names of configs in configs/train")
    parser.add_argument("--batches", nargs=2, type=int, default=[2, 6], help="two batch sizes")
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.data is not None:
        (name,) = args.configs
        print(json.dumps(measure_cost(ROOT / "configs" / "train" / f"{name}.yaml", args.data, args.batches)))
        return
    print(
        "| config | million parameters | GFLOP an example | MiB an example | s an example, one CPU thread |"
    )
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        data = make_dataset(Path(folder))
        for name in args.configs:
            command = [sys.executable, "-m", "benchmarks.training_cost", "--configs", name]
            options = ["--data", str(data), "--batches", *map(str, args.batches)]
            completed = subprocess.run(
                [*command, *options], check=True, cwd=ROOT, capture_output=True, text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            row = json.loads(completed.stdout)
            print(
                f"| `{name}` | {row['million_parameters']:.1f} | {row['gflop_per_example']:.1f}"
                f" | {row['mib_per_example']:.0f} | {row['seconds_per_example']:.2f} |", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
