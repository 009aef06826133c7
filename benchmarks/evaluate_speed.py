"""How long scoring takes, and that a kill -9 leaves no trace in it.

    python -m benchmarks.evaluate_speed DATASET [--pairs 1000] [--workers 2] [--blow]

Pairs of a dataset's held-out splits as audio files, one system (the target, a little softer and with its last
50 ms gone), scored by the command itself. Prints CPU and wall seconds. With `--blow` the same is scored
again: half-way the command is killed, given again, and its files are compared with the first ones.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile

from train.data.pairs import KINDS, Pair, draw_pairs, possible_pairs
from train.data.tables import Tables, split_blocks
from train.evaluation.pairs import read_pairs
from train.evaluation.run import held_out_splits
from train.evaluation.scoring import PROGRESS


def spent() -> float:
    """CPU seconds of the processes that this one has waited for, and of those that they have."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def draw(tables: Tables, count: int) -> list[tuple[str, Pair]]:
    """Pairs of every kind, from as many splits as it takes."""
    found: list[tuple[str, Pair]] = []
    for split in held_out_splits(tables.layout):
        available = sum(possible_pairs(block) for block in split_blocks(tables.layout, split))
        each = min(available, -(-(count - len(found)) // len(KINDS)))
        for kind in KINDS if each > 0 else ():
            found += [(split, pair) for pair in draw_pairs(tables.layout, split, kind, each, 0)]
    return found[:count]


def write_files(tables: Tables, pairs: list[tuple[str, Pair]], folder: Path) -> Path:
    """The pairs as audio files and a table of them."""
    rows = []
    for first in range(0, len(pairs), 100):
        some = pairs[first : first + 100]
        for key, clip in read_pairs(tables.layout, [pair for _, pair in some]).items():
            soundfile.write(folder / f"{key}.wav", clip, tables.rate)
            softer = 0.9 * clip[: -tables.rate // 20]
            soundfile.write(folder / f"{key}_softer.wav", softer, tables.rate)
        for split, pair in some:
            files = [f"{key}.wav" for key in (pair.source, pair.reference, pair.target)]
            rows.append([*files, f"{pair.target}_softer.wav", pair.kind, split])
    table = folder / "pairs.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "reference", "target", "estimate", "kind", "split"])
        writer.writerows(rows)
    return table


def evaluation(table: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """`python -m train evaluate`, begun."""
    command = [sys.executable, "-m", "train", "evaluate", "--files", str(table), "--out", str(out)]
    return subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.DEVNULL)


def finish(process: subprocess.Popen[bytes]) -> None:
    """Waits for it; an evaluation that fails ends the benchmark."""
    if process.wait() != 0:
        raise SystemExit(f"evaluate ended with {process.returncode}")


def blown(table: Path, out: Path, workers: int, half: int) -> int:
    """Scores the table with a kill -9 once `half` of its pairs are done; how many were kept."""
    process = evaluation(table, out, workers)
    journal = out / PROGRESS
    while not journal.is_file() or len(journal.read_bytes().splitlines()) <= half:
        if process.poll() is not None:
            raise SystemExit("evaluate ended before it could be killed")
        time.sleep(0.2)
    process.kill()
    process.wait()
    kept = len(journal.read_bytes().splitlines()) - 1
    finish(evaluation(table, out, workers))
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--blow", action="store_true", help="kill it half-way, resume, compare")
    asked = parser.parse_args()
    tables = Tables.open(asked.dataset)
    pairs = draw(tables, asked.pairs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = write_files(tables, pairs, folder)
        cpu, wall = spent(), time.perf_counter()
        finish(evaluation(table, folder / "whole", asked.workers))
        cpu, wall = spent() - cpu, time.perf_counter() - wall
        print(
            f"{len(pairs)} pairs of {tables.frames / tables.rate:g} s, {asked.workers} workers:"
            f" {wall:.0f} s, {cpu:.0f} s of CPU, {cpu / len(pairs):.2f} a pair",
            flush=True,
        )
        if asked.blow:
            kept = blown(table, folder / "blown", asked.workers, len(pairs) // 2)
            for path in sorted((folder / "whole").glob("*.*")):
                if (folder / "blown" / path.name).read_bytes() != path.read_bytes():
                    raise SystemExit(f"{path.name} differs after a kill")
            print(f"killed with {kept} pairs done, given again: the same files, byte for byte")


if __name__ == "__main__":
    main()
