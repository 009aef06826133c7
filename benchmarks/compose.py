"""How fast clips are composed from a tone bank, beside the clip loader, and what the arithmetic allows a GPU.

    .venv/bin/python -m benchmarks.compose [--device cuda] [--seconds 1] [--dataset DIR]

A small dataset is rendered here with the built-in synth, and its bank made (or DIR, a rendered dataset
with its bank in DIR/tones, is taken). In turns, in one run, all from the same timbres:

- composed: blocks of clips of 3 s from the bank, fresh notes and envelopes, nothing else;
- examples, bank: what `fit` draws from it; examples, loader: what it draws from the rendered clips;
- renderer: `manifests.synthesis.compose` on the same blocks, sharing what can be shared, as `render` does.

On a CPU times are CPU seconds, on a GPU wall time, and of some rounds in turns the best counts, so that a
busy machine decides less. Real-time factor: seconds of audio for a second. The GPU's way of composing (few
large operations) is run once more under a counter of what every operation reads and writes: what a GPU has
to move if it keeps nothing in its caches and fuses nothing, and how fast that lets it be by the bandwidth
stated for it.
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
from train.data.bank.source import BankSource, Mix
from train.data.examples import EXAMPLE_KINDS
from train.data.loader import Loader
from train.data.shards import Shards
from train.data.tables import Tables

ROOT = Path(__file__).parents[1]
H100_BYTES_S = 3.35e12
"""Memory bandwidth that NVIDIA states for an H100 SXM."""


class Counted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what every operation reads and writes, views aside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if not func.is_view:
            read = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
            written = [x for x in tree_leaves(made) if isinstance(x, torch.Tensor)]
            # A gather reads of its table what its index asks for, not all of it.
            largest = max([x.numel() for x in written], default=0)
            self.bytes += sum(
                min(x.numel(), max(largest, 1)) * x.element_size()
                for x in read
                if "arange" not in func.name()
            )
            self.bytes += sum(x.numel() * x.element_size() for x in written)
            self.operations += 1
        return made


def dataset(folder: Path) -> Path:
    """16 timbres of the built-in synth, rendered, and their bank."""
    config = yaml.safe_load((ROOT / "configs" / "demo-fast.yaml").read_text())
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    for command in (["make", str(path), "--out", str(folder / "set")], ["tones", str(folder / "set")]):
        subprocess.run(
            [sys.executable, "-m", "render", *command], check=True, stderr=subprocess.DEVNULL, cwd=ROOT
        )
    return folder / "set"


def clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def per_clip(step: Callable[[], int], seconds: float, device: torch.device) -> float:
    """Seconds a clip of a step that makes some clips, over about so many seconds; the first step warms up."""
    step()
    begun, clips = clock(device), 0
    while (now := clock(device)) - begun < seconds:
        clips += step()
    return (now - begun) / clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    device = torch.device(asked.device)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        said = measured(asked.dataset or dataset(Path(folder)), device, asked.seconds, asked.rounds)
    if asked.json:
        print(json.dumps(said))
        return
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, CPU time"
    print(f"{where}; clips of {said['seconds']:g} s; ms a clip, and x real time")
    for name in ("composed", "examples, bank", "examples, loader", "renderer"):
        print(f"  {name:18} {said[name] * 1e3:8.4f}   {said['seconds'] / said[name]:12,.0f}")
    print(
        f"composed: {said['examples, loader'] / said['composed']:.1f} times the clip loader, examples"
        f" {said['examples, loader'] / said['examples, bank']:.1f} times;"
        f" {said['composed'] / said['renderer']:.2f} of the renderer's own composing time"
    )
    print(
        f"a GPU's way: {said['operations']:.0f} operations a block of {said['clips']} clips,"
        f" {said['bytes_s'] / 1e6:.1f} MB a second of audio: at 3.35 TB/s (H100, as stated) at most"
        f" {H100_BYTES_S / said['bytes_s']:,.0f} x real time"
    )
    if device.type == "cuda":
        moved = said["bytes_s"] * said["seconds"] / said["composed"]
        print(f"  here {moved / 1e12:.2f} TB/s by that count, {moved / H100_BYTES_S:.0%} of an H100's")


def measured(root: Path, device: torch.device, seconds: float, rounds: int) -> dict[str, Any]:
    """Seconds a clip of each way, the best of rounds in turns; the bytes of the GPU's way."""
    bank, tables = Bank(root / "tones"), Tables.open(root)
    format = clip_format(bank)
    timbres = tables.train_timbres
    source = BankSource(Tables.open(bank.root), 1, 4, 1, device)
    with (
        Loader(source, EXAMPLE_KINDS, 1, 4, 1) as composing,
        Loader(Shards(tables), EXAMPLE_KINDS, 1, 4, 1) as reading,
    ):
        mixes = [mix for number in range(4) for mix in source.mixes(number)]
        turn = iter(range(10**9))

        def block(whole: bool | None = None) -> int:
            mix = mixes[next(turn) % len(mixes)]
            return compose_block(
                source.tones,
                list(mix.timbres.values()),
                list(mix.phrases.values()),
                list(mix.envelopes.values()),
                format,
                source.reading,
                whole,
            ).gain_TPE.numel()

        numpy_tones = {t: _tones(source, t) for t in timbres}

        def renderers() -> int:
            return _rendered(mixes[next(turn) % len(mixes)], numpy_tones, format)

        streams = {"examples, bank": iter(composing), "examples, loader": iter(reading)}

        def drawn(name: str) -> Callable[[], int]:
            return lambda: len(list(islice(streams[name], 256)))

        steps: dict[str, Callable[[], int]] = {
            "composed": block,
            "renderer": renderers,
            "examples, bank": drawn("examples, bank"),
            "examples, loader": drawn("examples, loader"),
        }
        found: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(rounds):
            for name, step in steps.items():
                found[name].append(per_clip(step, seconds, device))
        with Counted() as counted:
            clips = block(True)
    length = format.frames / format.rate
    return {
        **{name: min(times) for name, times in found.items()},
        "seconds": length,
        "clips": clips,
        "operations": counted.operations,
        "bytes_s": counted.bytes / (clips * length),
    }


def _tones(source: BankSource, timbre: int) -> dict[int, tuple[Any, float]]:
    """A timbre's tones as the renderer has them."""
    tones, row = source.tones, source.tones.places[timbre]
    ends = [numbers[2] for numbers in tones.numbers[row]]
    return {
        pitch: (tones.pcm_S[start : start + end].cpu().numpy(), scale)
        for pitch, (start, _, _, scale), end in zip(tones.pitches, tones.numbers[row], ends, strict=True)
    }


def _rendered(mix: Mix, tones: dict[int, dict[int, tuple[Any, float]]], format: Any) -> int:
    """A block composed by `manifests.synthesis.compose`, each dry phrase and gain curve made once."""
    gains = {
        (p, e): compose.gain(notes, envelope, format.rate, format.frames, format.cut_fade_ms)
        for p, notes in mix.phrases.items()
        for e, envelope in mix.envelopes.items()
    }
    for timbre in mix.timbres.values():
        for p, notes in mix.phrases.items():
            dry = compose.dry(notes, tones[timbre], format.rate, format.frames)
            for e in mix.envelopes:
                compose.to_int16(dry * gains[p, e], format.peak)
    return mix.clips


if __name__ == "__main__":
    main()
