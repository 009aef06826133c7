"""What a training step costs: operations counted, memory and time measured on this machine.

    .venv/bin/python -m benchmarks.training_cost [--configs base small tiny demo] [--batches 2 6]

Each config is built in a process of its own and trained two steps of the adversarial phase at each batch, on
examples of 3 s (the built-in synth, rendered here). Operations are those of matrix products and convolutions,
counted by torch (multiply and add apart) over forward and backward, the discriminator's too; memory is the
process's peak, and its growth from the smaller to the larger batch is what one more example takes.
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

from benchmarks.codec_speed import FAMILY, ROOT, built, millions, peak_mib, step_seconds
from train.config import load_config
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables

CPU = torch.device("cpu")


def dataset(folder: Path) -> Path:
    """A small dataset of clips as they come: 3 s, five notes or so."""
    config = {
        "name": "cost", "seed": 1, "timbres": [{"synth": "builtin", "count": 8}],
        "envelopes": {"all": FAMILY}, "phrases": {"generated": {"count": 8}},
        "splits": {"test_timbres": 0.25, "test_envelopes": 0.25, "test_phrases": 0.25},
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    path = str(folder / "config.yaml")
    command = [sys.executable, "-m", "render", "make", path, "--out", str(folder / "set")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    return folder / "set"


def cost(config_path: Path, data: Path, batches: list[int]) -> dict[str, float]:
    """Figures of one config, by this process."""
    config, tables = load_config(config_path), Tables.open(data)
    system = built(config, tables, CPU)
    classes = {timbre: place for place, timbre in enumerate(tables.train_timbres)}
    with Loader(ShardSource(tables), system.kinds, 1, 2, 1) as loader:
        examples = list(islice(loader, max(batches)))
    found = {"millions": millions(system, "codec")}
    peaks = []
    for count in sorted(batches):
        found["step_s"] = (
            step_seconds(system, system.collate(examples[:count], classes), False, 1)["step"] / count
        )
        peaks.append(peak_mib(CPU))
    found["mib_an_example"] = (peaks[-1] - peaks[0]) / (max(batches) - min(batches))
    with FlopCounterMode(display=False) as counter:
        for turn in system.training_losses(system.collate(examples[:2], classes), progress=0.99):
            torch.stack(list(turn.losses.values())).sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
    found["gflop_an_example"] = counter.get_total_flops() / 2e9
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--configs", nargs="+", default=["base", "small", "tiny", "demo"])
    parser.add_argument("--batches", nargs=2, type=int, default=[2, 6])
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.data is not None:
        (name,) = asked.configs
        print(json.dumps(cost(ROOT / "configs" / "train" / f"{name}.yaml", asked.data, asked.batches)))
        return
    print(
        "| config | million parameters | GFLOP an example | MiB an example | s an example, one CPU thread |"
    )
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        data = dataset(Path(folder))
        for name in asked.configs:
            command = [sys.executable, "-m", "benchmarks.training_cost", "--configs", name]
            given = ["--data", str(data), "--batches", *map(str, asked.batches)]
            told = subprocess.run(
                [*command, *given], check=True, cwd=ROOT, capture_output=True, text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            row = json.loads(told.stdout)
            print(
                f"| `{name}` | {row['millions']:.1f} | {row['gflop_an_example']:.1f}"
                f" | {row['mib_an_example']:.0f} | {row['step_s']:.2f} |", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
