"""How fast our codec is beside the reference: a training step, and a conversion of 3 s on one thread.

    .venv/bin/python benchmarks/codec_speed.py [--ours configs/train/base.yaml] [--batch 2] [--device cpu]

Both systems take the same examples of a dataset of 1 s clips (rendered here, with the built-in synth), the
same batch and the same precision, one after the other, in one run; weights are fresh, since they do not
change the cost. A step is one of the adversarial phase: all turns, gradients, optimiser steps. The best
of `--repeats` counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from train.config import RunConfig, load_config
from train.conversion import Codec
from train.data.loader import Loader
from train.data.shards import Shards
from train.data.tables import Tables
from train.systems import build
from train.systems.base import Format, System

ROOT = Path(__file__).parents[1]
FAMILY = {
    "attack_ms": [10, 50], "hold_ms": [0, 20], "decay_ms": [50, 150], "sustain": [0.2, 0.8],
    "release_ms": [30, 120], "count": 8,
}  # fmt: skip


def dataset(folder: Path) -> Path:
    """A small dataset of 1 s clips: the crop that the reference trains on."""
    config = {
        "name": "speed", "seed": 1, "clip": {"seconds": 1.0}, "timbres": [{"synth": "builtin", "count": 8}],
        "envelopes": {"all": FAMILY}, "phrases": {"generated": {"count": 8, "generate": {"notes": [2, 3]}}},
        "splits": {"test_timbres": 0.25, "test_envelopes": 0.25, "test_phrases": 0.25},
    }  # fmt: skip
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "render", "make", path, "--out", folder / "set"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    return folder / "set"


def built(config: RunConfig, tables: Tables, device: torch.device) -> System:
    names = tuple(tables.timbre_names[timbre] for timbre in tables.train_timbres)
    format = Format(tables.rate, tables.cut_fade_ms, names)
    return build(config.system, config.model, format, config.seed).to(device)


def millions(system: System, player: str) -> float:
    return sum(parameter.numel() for parameter in system.players()[player]) / 1e6


def crop(batch: Any) -> str:
    """What of its examples a system computes with, in seconds of audio."""
    rows = {
        name.removesuffix("_BT").removesuffix("_RT"): tensor.shape
        for name, tensor in batch._asdict().items()
        if name in ("target_BT", "content_BT", "timbre_BT", "audio_BT", "piece_RT")
    }
    return ", ".join(f"{name} {shape[0]} x {shape[1] / 44_100:.2f} s" for name, shape in rows.items())


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def step_seconds(system: System, batch: Any, bf16: bool, repeats: int) -> float:
    """The shortest time of one whole step of the adversarial phase."""
    system.train()
    players = system.players()
    device = next(system.parameters()).device
    optimisers = {name: torch.optim.AdamW(parameters, lr=1e-5) for name, parameters in players.items()}
    times = []
    for _ in range(repeats + 1):
        wait(device)
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for turn in system.turns(batch, progress=0.99):
                total = torch.stack(list(turn.losses.values())).sum()
                found = torch.autograd.grad(total, players[turn.player], allow_unused=True)
                for parameter, gradient in zip(players[turn.player], found, strict=True):
                    parameter.grad = gradient
                optimisers[turn.player].step()
        wait(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def convert_seconds(system: System, rate: int, repeats: int) -> float:
    """The shortest time to convert 3 s by a reference of 3 s; the first, which warms up, is left out."""
    codec, time_s = Codec(system, "benchmark"), np.arange(3 * rate) / rate
    source, reference = (
        np.asarray(0.5 * np.sin(2 * np.pi * hz * time_s) * np.exp(-4 * (time_s % 0.5)), dtype=np.float32)
        for hz in (220.0, 330.0)
    )
    device = next(system.parameters()).device
    times = []
    for _ in range(repeats + 1):
        wait(device)
        start = time.perf_counter()
        codec.convert(source, reference)
        wait(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ours", type=Path, default=ROOT / "configs" / "train" / "base.yaml")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    device = torch.device(asked.device)
    configs = {"reference": ROOT / "configs" / "train" / "reference.yaml", "ours": asked.ours}
    figures: dict[str, dict[str, float]] = {}
    precisions: dict[str, str] = {}
    crops: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables.open(dataset(Path(folder)))
        classes = {timbre: place for place, timbre in enumerate(tables.train_timbres)}
        for name, path in configs.items():
            config = load_config(path)
            system = built(config, tables, device)
            with Loader(Shards(tables), system.kinds, 1, 2, 1) as loader:
                examples = list(islice(loader, asked.batch))
            batch = system.collate(examples, classes).to(device)
            step = step_seconds(system, batch, asked.bf16, asked.repeats)
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            convert = convert_seconds(system, tables.rate, asked.repeats)
            torch.set_num_threads(threads)
            precisions[name] = "bf16 autocast" if asked.bf16 else "fp32"
            crops[name] = crop(batch)
            figures[name] = {
                "codec_millions": round(millions(system, "codec"), 1),
                "judges_millions": round(millions(system, "discriminator"), 1),
                "step_s": round(step, 3),
                "convert_3s_one_thread_s": round(convert, 3),
            }
            del system, batch
    ratios = {
        key: round(figures["reference"][key] / figures["ours"][key], 1)
        for key in ("step_s", "convert_3s_one_thread_s")
    }
    if asked.json:
        print(json.dumps({"figures": figures, "ratios": ratios}))
        return
    print(f"{device}, {torch.get_num_threads()} threads for a step, examples of 1 s clips")
    for name in configs:
        print(f"  {name:10} batch {asked.batch}, {precisions[name]}, {crops[name]}")
    for key, title in (
        ("codec_millions", "codec, million parameters"),
        ("judges_millions", "discriminators, million parameters"),
        ("step_s", "training step with GAN, s"),
        ("convert_3s_one_thread_s", "conversion of 3 s, one thread, s"),
    ):
        theirs, ours = figures["reference"][key], figures["ours"][key]
        ratio = f"   {ratios[key]} times as fast" if key in ratios else ""
        print(f"  {title:36} reference {theirs:8.3f}   ours {ours:8.3f}{ratio}")


if __name__ == "__main__":
    main()
