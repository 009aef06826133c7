"""Measures how fast clips are composed from a tone bank, beside the clip loader and the renderer.

    .venv/bin/python -m benchmarks.compose [--device cuda] [--seconds 1] [--dataset DIR]

Without DIR, it renders a small dataset with the built-in synth and makes its tone bank. Four ways to get
clips of the same timbres are timed in turns:

- composed: blocks of 3 s clips from the bank, with new notes and envelopes;
- examples, bank: training examples that `fit` draws from the bank;
- examples, loader: training examples that `fit` draws from the rendered clips;
- renderer: `manifests.synthesis.compose` on the same blocks; dry phrases and gain curves are made once, as in
  `render`.

Times are CPU seconds on a CPU and wall seconds on a GPU. The best of several rounds counts, which reduces the
influence of other load. The real-time factor is seconds of audio per second.

Last, it counts the bytes that each operation of the GPU's composing reads and writes. A GPU without caches
and without fused operations moves that many. The H100's stated bandwidth then bounds the real-time factor.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from manifests.dataset.bank import Bank
from manifests.synthesis import compose
from train.data.bank.compose import compose_block
from train.data.bank.format import clip_format
from train.data.bank.source import BankSource, ComposedBlock
from train.data.examples import EXAMPLE_KINDS
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables

ROOT = Path(__file__).parents[1]
H100_BYTES_PER_S = 3.35e12
"""Memory bandwidth that NVIDIA states for an H100 SXM, in bytes per second."""


class MemoryTrafficCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts `operations` and the `bytes` that they read and write, without views."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            read = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
            written = [x for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
            # A gather reads only the indexed elements of its table.
            largest = max([x.numel() for x in written], default=0)
            self.bytes += sum(
                min(x.numel(), max(largest, 1)) * x.element_size()
                for x in read
                if "arange" not in func.name()
            )
            self.bytes += sum(x.numel() * x.element_size() for x in written)
            self.operations += 1
        return result


def make_dataset(folder: Path) -> Path:
    """Renders 16 timbres of the built-in synth and their tone bank. Returns the dataset's folder."""
    config = yaml.safe_load((ROOT / "configs" / "demo-fast.yaml").read_text())
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    for command in (["make", str(path), "--out", str(folder / "set")], ["tones", str(folder / "set")]):
        subprocess.run(
            [sys.executable, "-m", "render", *command], check=True, stderr=subprocess.DEVNULL, cwd=ROOT
        )
    return folder / "set"


def read_clock(device: torch.device) -> float:
    """Returns wall seconds once a GPU has finished its work, or CPU seconds on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def seconds_per_clip(step: Callable[[], int], seconds: float, device: torch.device) -> float:
    """Times `step`, which returns how many clips it made, for about `seconds`.

    The first call only warms up.
    """
    step()
    start, clips = read_clock(device), 0
    while (now := read_clock(device)) - start < seconds:
        clips += step()
    return (now - start) / clips


def main() -> None:
    """Prints milliseconds a clip and the real-time factor of each way, or all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu", help="torch device to compose on")
    parser.add_argument("--seconds", type=float, default=1.0, help="duration of each measurement")
    parser.add_argument("--rounds", type=int, default=4, help="measurements of each way; the best counts")
    parser.add_argument("--dataset", type=Path, help="rendered dataset with its tone bank in DATASET/tones")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args.dataset or make_dataset(Path(folder)), device, args.seconds, args.rounds)
    if args.json:
        print(json.dumps(figures))
        return
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, CPU time"
    print(f"{place}; clips of {figures['seconds']:g} s; ms a clip, and real-time factor")
    for name in ("composed", "examples, bank", "examples, loader", "renderer"):
        print(f"  {name:18} {figures[name] * 1e3:8.4f}   {figures['seconds'] / figures[name]:12,.0f}")
    print(
        f"speed against the clip loader: composed {figures['examples, loader'] / figures['composed']:.1f} x,"
        f" examples from the bank {figures['examples, loader'] / figures['examples, bank']:.1f} x"
    )
    print(f"composing takes {figures['composed'] / figures['renderer']:.2f} times the renderer's time")
    traffic = figures["bytes_per_audio_second"]
    print(
        f"composing as on a GPU: {figures['operations']:.0f} operations a block of {figures['clips']} clips,"
        f" {traffic / 1e6:.1f} MB for a second of audio;"
        f" 3.35 TB/s (H100, stated) allow at most {H100_BYTES_PER_S / traffic:,.0f} x real time"
    )
    if device.type == "cuda":
        reached = traffic * figures["seconds"] / figures["composed"]
        print(
            f"  reached here: {reached / 1e12:.2f} TB/s by that count,"
            f" {reached / H100_BYTES_PER_S:.0%} of an H100's bandwidth"
        )


def measure(root: Path, device: torch.device, seconds: float, rounds: int) -> dict[str, Any]:
    """Measures all ways on the dataset in `root`, whose bank is `root/tones`.

    Returns seconds a clip of each way (the best round); `seconds`, the duration of a clip; and of the GPU's
    composing `operations` and `clips` of a block and `bytes_per_audio_second`.
    """
    bank, tables = Bank(root / "tones"), Tables.open(root)
    format = clip_format(bank)
    timbres = tables.train_timbres
    source = BankSource(Tables.open(bank.root), 1, 4, 1, device)
    with (
        Loader(source, EXAMPLE_KINDS, 1, 4, 1) as composing,
        Loader(ShardSource(tables), EXAMPLE_KINDS, 1, 4, 1) as reading,
    ):
        blocks = [block for number in range(4) for block in source.compose_pool(number)]
        turn = iter(range(10**9))

        def compose_next(vectorised: bool | None = None) -> int:
            block = blocks[next(turn) % len(blocks)]
            return compose_block(
                source.tones,
                list(block.timbres.values()),
                list(block.phrases.values()),
                list(block.envelopes.values()),
                format,
                source.shifts,
                vectorised,
            ).gain_TPE.numel()

        numpy_tones = {t: _renderer_tones(source, t) for t in timbres}

        def render_next() -> int:
            return _compose_with_renderer(blocks[next(turn) % len(blocks)], numpy_tones, format)

        streams = {"examples, bank": iter(composing), "examples, loader": iter(reading)}

        def draw_examples(name: str) -> Callable[[], int]:
            return lambda: len(list(islice(streams[name], 256)))

        steps: dict[str, Callable[[], int]] = {
            "composed": compose_next,
            "renderer": render_next,
            "examples, bank": draw_examples("examples, bank"),
            "examples, loader": draw_examples("examples, loader"),
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(rounds):
            for name, step in steps.items():
                times[name].append(seconds_per_clip(step, seconds, device))
        with MemoryTrafficCounter() as traffic:
            clips = compose_next(True)
    length = format.frames / format.rate
    return {
        **{name: min(rounds_s) for name, rounds_s in times.items()},
        "seconds": length,
        "clips": clips,
        "operations": traffic.operations,
        "bytes_per_audio_second": traffic.bytes / (clips * length),
    }


def _renderer_tones(source: BankSource, timbre: int) -> dict[int, tuple[Any, float]]:
    """Returns a timbre's tones as the renderer has them: pitch -> (int16 [frames], scale)."""
    tones, row = source.tones, source.tones.row_of[timbre]
    ends = [numbers[2] for numbers in tones.tables[row]]
    return {
        pitch: (tones.pcm_S[start : start + end].cpu().numpy(), scale)
        for pitch, (start, _, _, scale), end in zip(tones.pitches, tones.tables[row], ends, strict=True)
    }


def _compose_with_renderer(
    block: ComposedBlock, tones: dict[int, dict[int, tuple[Any, float]]], format: Any
) -> int:
    """Composes a block with `manifests.synthesis.compose`; makes each dry phrase and gain curve once.

    Returns the number of clips.
    """
    gains = {
        (p, e): compose.gain(notes, envelope, format.rate, format.frames, format.cut_fade_ms)
        for p, notes in block.phrases.items()
        for e, envelope in block.envelopes.items()
    }
    for timbre in block.timbres.values():
        for p, notes in block.phrases.items():
            dry = compose.dry(notes, tones[timbre], format.rate, format.frames)
            for e in block.envelopes:
                compose.to_int16(dry * gains[p, e], format.peak)
    return block.clips


if __name__ == "__main__":
    main()
