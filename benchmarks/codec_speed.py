"""Measures the speed of our codec and of SynthCloner: a training step, and a conversion of 3 s on one thread.

    .venv/bin/python -m benchmarks.codec_speed [--config configs/train/base.yaml] [--batch 2] [--device cpu]

It renders a dataset of 1 s clips with the built-in synth. Both systems get the same examples, batch size and
precision, one after the other, with untrained weights. A training step is one of the adversarial phase:
losses, gradients and steps of all optimisers. The best of `--repeats` counts.

The time of a conversion depends on how many notes the codec estimates, and untrained weights may find too
many. So its note decoder runs, and the six notes of the recording replace what it returns.
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

from train.codec.api import Codec
from train.config import RunConfig, load_config
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables
from train.systems import build
from train.systems.base import Format, System
from train.systems.triptych.hearing.note_decoding import NoteDecoder, Onset

ROOT = Path(__file__).parents[1]
ENVELOPES = {
    "attack_ms": [10, 50], "hold_ms": [0, 20], "decay_ms": [50, 150], "sustain": [0.2, 0.8],
    "release_ms": [30, 120], "count": 8,
}  # fmt: skip


def make_dataset(folder: Path) -> Path:
    """Renders a small dataset of 1 s clips, the length that SynthCloner trains on. Returns its folder."""
    config = {
        "name": "speed", "seed": 1, "clip": {"seconds": 1.0}, "timbres": [{"synth": "builtin", "count": 8}],
        "envelopes": {"all": ENVELOPES},
        "phrases": {"generated": {"count": 8, "generate": {"notes": [2, 3]}}},
        "splits": {"test_timbres": 0.25, "test_envelopes": 0.25, "test_phrases": 0.25},
    }  # fmt: skip
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "render", "make", str(path), "--out", str(folder / "set")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    return folder / "set"


def build_system(config: RunConfig, tables: Tables, device: torch.device) -> System:
    """Builds a config's system with untrained weights for the format and timbres of a dataset."""
    names = tuple(tables.timbre_names[timbre] for timbre in tables.train_timbres)
    format = Format(tables.rate, tables.cut_fade_ms, names)
    return build(config.system, config.model, format, config.seed).to(device)


def million_parameters(system: System, group: str) -> float:
    """Returns how many million parameters a parameter group of a system has."""
    return sum(parameter.numel() for parameter in system.parameter_groups()[group]) / 1e6


def describe_batch(batch: Any) -> str:
    """Describes the audio that a system computes with: rows and seconds of each waveform in its batch."""
    rows = {
        name.removesuffix("_BT").removesuffix("_RT"): tensor.shape
        for name, tensor in batch._asdict().items()
        if name in ("target_BT", "content_BT", "timbre_BT", "audio_BT", "piece_RT")
    }
    return ", ".join(f"{name} {shape[0]} x {shape[1] / 44_100:.2f} s" for name, shape in rows.items())


def synchronize(device: torch.device) -> None:
    """Waits until a GPU has finished its work; does nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


PARTS = ("losses", "gradients", "optimisers")


def step_seconds(system: System, batch: Any, bf16: bool, repeats: int) -> dict[str, float]:
    """Times training steps of the adversarial phase; the first one only warms up.

    Returns seconds of the fastest `step` and of its `PARTS`.
    """
    system.train()
    groups = system.parameter_groups()
    device = next(system.parameters()).device
    optimisers = {name: torch.optim.AdamW(parameters, lr=1e-5) for name, parameters in groups.items()}
    runs = []
    for _ in range(repeats + 1):
        parts = dict.fromkeys(PARTS, 0.0)
        stopwatch = Stopwatch(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for turn in system.training_losses(batch, progress=0.99):
                total = torch.stack(list(turn.losses.values())).sum()
                parts["losses"] += stopwatch.lap()
                gradients = torch.autograd.grad(total, groups[turn.group], allow_unused=True)
                for parameter, gradient in zip(groups[turn.group], gradients, strict=True):
                    parameter.grad = gradient
                parts["gradients"] += stopwatch.lap()
                optimisers[turn.group].step()
                parts["optimisers"] += stopwatch.lap()
        runs.append({"step": sum(parts.values()), **parts})
    return min(runs[1:], key=lambda run: run["step"])


def examples_per_second(config: RunConfig, tables: Tables, threads: int) -> tuple[float, float]:
    """Measures how many examples a second a training step on the CPU consumes.

    Returns that and how many one thread collates.
    """
    system = build_system(config, tables, torch.device("cpu"))
    with Loader(ShardSource(tables), system.kinds, 1, 16, threads) as loader:
        examples = list(islice(loader, config.batch))
    classes = {timbre: index for index, timbre in enumerate(tables.train_timbres)}
    start = time.perf_counter()
    for _ in range(5):
        batch = system.collate(examples, classes)
    collated = 5 * config.batch / (time.perf_counter() - start)
    return config.batch / step_seconds(system, batch, False, 2)["step"], collated


class Stopwatch:
    """Measures wall seconds between laps, including a GPU's pending work."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        synchronize(device)
        self.last = time.perf_counter()

    def lap(self) -> float:
        """Returns the seconds since the last lap, or since the stopwatch was made."""
        synchronize(self.device)
        before, self.last = self.last, time.perf_counter()
        return self.last - before


def peak_mib(device: torch.device) -> float:
    """Returns the peak memory in MiB so far: of the GPU, or of this process for a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


find_onsets = NoteDecoder.onsets


def six_onsets(decoder: NoteDecoder, *arguments: Any) -> list[Onset]:
    """Finds onsets as the codec does, and returns the six of the benchmark's recordings instead."""
    find_onsets(decoder, *arguments)
    return [Onset(0.5 * place * decoder.rate, 1.0) for place in range(6)]


def convert_seconds(system: System, rate: int, repeats: int) -> float:
    """Times conversions of 3 s with a reference of 3 s;

    the first one only warms up. Returns the least seconds.
    """
    codec, time_s = Codec(system, "benchmark"), np.arange(3 * rate) / rate
    source, reference = (
        np.asarray(0.5 * np.sin(2 * np.pi * hz * time_s) * np.exp(-4 * (time_s % 0.5)), dtype=np.float32)
        for hz in (220.0, 330.0)
    )
    device = next(system.parameters()).device
    times = []
    for _ in range(repeats + 1):
        synchronize(device)
        start = time.perf_counter()
        with patch.object(NoteDecoder, "onsets", six_onsets):
            codec.convert(source, reference)
        synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main() -> None:
    """Measures both systems and prints their figures with ratios, or the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    base = ROOT / "configs" / "train" / "base.yaml"
    parser.add_argument("--config", type=Path, default=base, help="config of our codec")
    parser.add_argument("--batch", type=int, default=2, help="examples in a training step")
    parser.add_argument("--repeats", type=int, default=2, help="measurements; the best counts")
    parser.add_argument("--device", default="cpu", help="torch device")
    parser.add_argument("--bf16", action="store_true", help="train with bf16 autocast instead of fp32")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    args = parser.parse_args()
    device = torch.device(args.device)
    # The smaller system is first, because a process's peak memory only grows.
    configs = {"triptych": args.config, "synthcloner": ROOT / "configs" / "train" / "reference.yaml"}
    figures: dict[str, dict[str, float]] = {}
    batches: dict[str, str] = {}
    precision = "bf16 autocast" if args.bf16 else "fp32"
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables.open(make_dataset(Path(folder)))
        classes = {timbre: index for index, timbre in enumerate(tables.train_timbres)}
        for name, path in configs.items():
            system = build_system(load_config(path), tables, device)
            with Loader(ShardSource(tables), system.kinds, 1, 2, 1) as loader:
                examples = list(islice(loader, args.batch))
            batch = system.collate(examples, classes).to(device)
            step = step_seconds(system, batch, args.bf16, args.repeats)
            memory = peak_mib(device)
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            convert = convert_seconds(system, tables.rate, args.repeats)
            torch.set_num_threads(threads)
            batches[name] = describe_batch(batch)
            figures[name] = {
                "codec, million parameters": million_parameters(system, "codec"),
                "discriminators, million parameters": million_parameters(system, "discriminator"),
                "training step with GAN, s": step["step"],
                **{f"  of it {part}, s": step[part] for part in PARTS},
                "examples a second": args.batch / step["step"],
                "peak memory, MiB": memory,
                "conversion of 3 s, one thread, s": convert,
            }
            del system, batch
    if args.json:
        print(json.dumps(figures))
        return
    print(f"{device}, {torch.get_num_threads()} threads for a step, {precision}, examples of 1 s clips")
    for name in configs:
        print(f"  {name:12} batch {args.batch}, {batches[name]}")
    for title, triptych in figures["triptych"].items():
        synthcloner = figures["synthcloner"][title]
        ratio = max(triptych, synthcloner) / min(triptych, synthcloner)
        print(f"  {title:36} synthcloner {synthcloner:9.3f}   triptych {triptych:9.3f}   ratio {ratio:5.1f}")


if __name__ == "__main__":
    main()
