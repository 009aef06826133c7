"""How fast our codec is beside the reference: a training step, and a conversion of 3 s on one thread.

    .venv/bin/python -m benchmarks.codec_speed [--ours configs/train/base.yaml] [--batch 2] [--device cpu]

Both systems take the same examples of a dataset of 1 s clips (rendered here, with the built-in synth), the
same batch and the same precision, one after the other, in one run; weights are fresh. A step is one of the
adversarial phase: all turns, gradients, optimiser steps. The best of `--repeats` counts. What weights change
is how many notes ours hears in a recording, and so plays (27 in place of 6 have been seen): for the
conversion its fresh heads are run, and then told the six notes that there are.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import yaml

from manifests.types import Note
from train.codec.api import Codec
from train.config import RunConfig, load_config
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables
from train.systems import build
from train.systems.base import Format, System
from train.systems.triptych.inference import analysis
from train.systems.triptych.networks.note_head import NoteEstimate, decode_notes

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
    command = [sys.executable, "-m", "render", "make", str(path), "--out", str(folder / "set")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    return folder / "set"


def built(config: RunConfig, tables: Tables, device: torch.device) -> System:
    names = tuple(tables.timbre_names[timbre] for timbre in tables.train_timbres)
    format = Format(tables.rate, tables.cut_fade_ms, names)
    return build(config.system, config.model, format, config.seed).to(device)


def millions(system: System, group: str) -> float:
    return sum(parameter.numel() for parameter in system.parameter_groups()[group]) / 1e6


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


PARTS = ("losses", "gradients", "optimisers")


def step_seconds(system: System, batch: Any, bf16: bool, repeats: int) -> dict[str, float]:
    """The shortest whole step of the adversarial phase, and its parts."""
    system.train()
    groups = system.parameter_groups()
    device = next(system.parameters()).device
    optimisers = {name: torch.optim.AdamW(parameters, lr=1e-5) for name, parameters in groups.items()}
    runs = []
    for _ in range(repeats + 1):
        parts = dict.fromkeys(PARTS, 0.0)
        clock = Clock(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for turn in system.training_losses(batch, progress=0.99):
                total = torch.stack(list(turn.losses.values())).sum()
                parts["losses"] += clock.lap()
                found = torch.autograd.grad(total, groups[turn.group], allow_unused=True)
                for parameter, gradient in zip(groups[turn.group], found, strict=True):
                    parameter.grad = gradient
                parts["gradients"] += clock.lap()
                optimisers[turn.group].step()
                parts["optimisers"] += clock.lap()
        runs.append({"step": sum(parts.values()), **parts})
    return min(runs[1:], key=lambda run: run["step"])


class Clock:
    """Seconds since the last look, with what the device still has to do."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        wait(device)
        self.last = time.perf_counter()

    def lap(self) -> float:
        wait(self.device)
        before, self.last = self.last, time.perf_counter()
        return self.last - before


def peak_mib(device: torch.device) -> float:
    """The most memory taken until now: of the device, or on a CPU of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def six_notes_heard(*arguments: Any) -> list[NoteEstimate]:
    """Reads notes as ours ever does, and goes on with those of the benchmark's recordings."""
    decode_notes(*arguments)
    return [NoteEstimate(Note(0.5 * place, 0.45, 57, 127), 1.0) for place in range(6)]


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
        with patch.object(analysis, "decode_notes", six_notes_heard):
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
    # Ours first: a process's peak of memory only grows.
    configs = {"ours": asked.ours, "reference": ROOT / "configs" / "train" / "reference.yaml"}
    figures: dict[str, dict[str, float]] = {}
    crops: dict[str, str] = {}
    precision = "bf16 autocast" if asked.bf16 else "fp32"
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables.open(dataset(Path(folder)))
        classes = {timbre: place for place, timbre in enumerate(tables.train_timbres)}
        for name, path in configs.items():
            system = built(load_config(path), tables, device)
            with Loader(ShardSource(tables), system.kinds, 1, 2, 1) as loader:
                examples = list(islice(loader, asked.batch))
            batch = system.collate(examples, classes).to(device)
            step = step_seconds(system, batch, asked.bf16, asked.repeats)
            memory = peak_mib(device)
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            convert = convert_seconds(system, tables.rate, asked.repeats)
            torch.set_num_threads(threads)
            crops[name] = crop(batch)
            figures[name] = {
                "codec, million parameters": millions(system, "codec"),
                "discriminators, million parameters": millions(system, "discriminator"),
                "training step with GAN, s": step["step"],
                **{f"  of it {part}, s": step[part] for part in PARTS},
                "examples a second": asked.batch / step["step"],
                "memory at its peak, MiB": memory,
                "conversion of 3 s, one thread, s": convert,
            }
            del system, batch
    if asked.json:
        print(json.dumps(figures))
        return
    print(f"{device}, {torch.get_num_threads()} threads for a step, {precision}, examples of 1 s clips")
    for name in configs:
        print(f"  {name:10} batch {asked.batch}, {crops[name]}")
    for title, ours in figures["ours"].items():
        theirs = figures["reference"][title]
        ratio = max(ours, theirs) / min(ours, theirs)
        print(f"  {title:36} reference {theirs:9.3f}   ours {ours:9.3f}   {ratio:5.1f} times")


if __name__ == "__main__":
    main()
