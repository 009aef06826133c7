"""Measures the time of `python -m train evaluate`, and checks that it resumes after kill -9.

    .venv/bin/python -m benchmarks.evaluate_speed DATASET [--pairs 1000] [--workers 2] [--kill]

It writes pairs of the dataset's held-out splits as audio files. The estimates are the targets, 0.9 times as
loud and without their last 50 ms. It prints CPU and wall seconds of scoring them. With `--kill` they are
scored again: the command is killed half-way and run again, and its files must equal those of the first
scoring.
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
from train.evaluation.pairs import read_pair_audio
from train.evaluation.run import held_out_splits
from train.evaluation.scoring import JOURNAL_FILE


def children_cpu_s() -> float:
    """Returns the CPU seconds of all child processes that have ended, including their children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def draw_held_out_pairs(tables: Tables, count: int) -> list[tuple[str, Pair]]:
    """Draws `count` pairs of all kinds, with their split, from as many held-out splits as needed."""
    drawn: list[tuple[str, Pair]] = []
    for split in held_out_splits(tables.layout):
        available = sum(possible_pairs(block) for block in split_blocks(tables.layout, split))
        per_kind = min(available, -(-(count - len(drawn)) // len(KINDS)))
        for kind in KINDS if per_kind > 0 else ():
            drawn += [(split, pair) for pair in draw_pairs(tables.layout, split, kind, per_kind, 0)]
    return drawn[:count]


def write_files(tables: Tables, pairs: list[tuple[str, Pair]], folder: Path) -> Path:
    """Writes the pairs as WAV files to `folder`. Returns the CSV file that `evaluate --files` reads."""
    rows = []
    for first in range(0, len(pairs), 100):
        batch = pairs[first : first + 100]
        for key, clip in read_pair_audio(tables.layout, [pair for _, pair in batch]).items():
            soundfile.write(folder / f"{key}.wav", clip, tables.rate)
            softer = 0.9 * clip[: -tables.rate // 20]
            soundfile.write(folder / f"{key}_softer.wav", softer, tables.rate)
        for split, pair in batch:
            files = [f"{key}.wav" for key in (pair.source, pair.reference, pair.target)]
            rows.append([*files, f"{pair.target}_softer.wav", pair.kind, split])
    table = folder / "pairs.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "reference", "target", "estimate", "kind", "split"])
        writer.writerows(rows)
    return table


def start_evaluation(table: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """Starts `python -m train evaluate` on a table of files."""
    command = [sys.executable, "-m", "train", "evaluate", "--files", str(table), "--out", str(out)]
    return subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.DEVNULL)


def wait_for_success(process: subprocess.Popen[bytes]) -> None:
    """Waits for an evaluation to end. Raises SystemExit if it failed."""
    if process.wait() != 0:
        raise SystemExit(f"evaluate failed with exit status {process.returncode}")


def score_with_kill(table: Path, out: Path, workers: int, half: int) -> int:
    """Scores the table, with a kill -9 after `half` of its pairs, and resumes.

    Returns how many pairs were scored before the kill. Raises SystemExit if the evaluation ends before it.
    """
    process = start_evaluation(table, out, workers)
    journal = out / JOURNAL_FILE
    while not journal.is_file() or len(journal.read_bytes().splitlines()) <= half:
        if process.poll() is not None:
            raise SystemExit("evaluate ended before it was killed; give more --pairs")
        time.sleep(0.2)
    process.kill()
    process.wait()
    scored = len(journal.read_bytes().splitlines()) - 1
    wait_for_success(start_evaluation(table, out, workers))
    return scored


def main() -> None:
    """Times an evaluation; with `--kill`, compares it with one that was killed and resumed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, help="folder of a rendered dataset")
    parser.add_argument("--pairs", type=int, default=1000, help="number of pairs to score")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the evaluation")
    parser.add_argument("--kill", action="store_true", help="score again with a kill half-way, and compare")
    args = parser.parse_args()
    tables = Tables.open(args.dataset)
    pairs = draw_held_out_pairs(tables, args.pairs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = write_files(tables, pairs, folder)
        cpu, wall = children_cpu_s(), time.perf_counter()
        wait_for_success(start_evaluation(table, folder / "uninterrupted", args.workers))
        cpu, wall = children_cpu_s() - cpu, time.perf_counter() - wall
        print(
            f"{len(pairs)} pairs of {tables.frames / tables.rate:g} s, {args.workers} workers:"
            f" {wall:.0f} s wall, {cpu:.0f} s CPU, {cpu / len(pairs):.2f} s CPU a pair",
            flush=True,
        )
        if args.kill:
            scored = score_with_kill(table, folder / "killed", args.workers, len(pairs) // 2)
            for path in sorted((folder / "uninterrupted").glob("*.*")):
                if (folder / "killed" / path.name).read_bytes() != path.read_bytes():
                    raise SystemExit(f"{path.name} differs after a kill")
            print(f"killed after {scored} pairs and resumed: all files are byte-identical")


if __name__ == "__main__":
    main()
