"""How long scoring takes: pairs of a dataset as audio files, one system (the target, a little softer).

    python benchmarks/evaluate_speed.py DATASET [--pairs 100] [--workers 2]

Prints CPU and wall seconds a pair, and what 1,000 pairs would take at that rate.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import soundfile

from train.data.pairs import KINDS, draw_pairs
from train.data.tables import Tables
from train.evaluate_pairs import read_pairs
from train.evaluate_run import evaluate_folder


def spent() -> float:
    """CPU seconds of this process and of those it has waited for."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, whose))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    tables = Tables.open(asked.dataset)
    each = -(-asked.pairs // len(KINDS))
    pairs = [p for kind in KINDS for p in draw_pairs(tables.layout, "validation", kind, each, 0)][
        : asked.pairs
    ]
    with tempfile.TemporaryDirectory() as folder:
        clips = read_pairs(tables.layout, pairs)
        for number, pair in enumerate(pairs):
            roles = {"source": pair.source, "reference": pair.reference, "target": pair.target}
            for role, key in roles.items():
                soundfile.write(Path(folder) / f"{number:04d}_{role}.wav", clips[key], tables.rate)
            softer = (0.9 * clips[pair.target]).astype("float32")
            soundfile.write(Path(folder) / f"{number:04d}_softer.wav", softer, tables.rate, subtype="PCM_16")
        cpu, wall = spent(), time.perf_counter()
        out = Path(folder) / "scores"
        pattern = "{pair}_{system}.wav"
        evaluate_folder(Path(folder), pattern, {}, 0, out, print, lambda _: lambda: None, asked.workers)
        cpu, wall = spent() - cpu, time.perf_counter() - wall
    seconds = tables.frames / tables.rate
    print(f"{len(pairs)} pairs of {seconds:g} s, {asked.workers} workers: {wall:.1f} s, {cpu:.1f} s of CPU")
    minutes = [1000 * spent / len(pairs) / 60 for spent in (wall, cpu / 2)]
    print(f"a pair: {cpu / len(pairs):.2f} s of CPU")
    print(f"1,000 pairs: {minutes[0]:.1f} min at this rate, {minutes[1]:.1f} min of CPU on each of two cores")


if __name__ == "__main__":
    main()
