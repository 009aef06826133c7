"""Measures what a codec hears: notes, note-offs, envelope and octave, against what was played.

    python -m benchmarks.hearing draw DATA SETS/validation --split validation [--clips 60] [--seed 1]
    python -m benchmarks.hearing pairs FOLDER SETS/pairs [--grid-s 0.25]
    python -m benchmarks.hearing codec RUN/best.safetensors SETS/* [--name codec]
    python -m benchmarks.hearing transcriber SETS/*
    python -m benchmarks.hearing table SETS/* [--rows rows.parquet]
    python -m benchmarks.hearing check SETS/*

1. draw and pairs make test sets: of clips of a split, and of given pairs `{pair}_{orig,ref,gt}.wav`.
2. codec and transcriber write what is heard in them. Several codecs may be named. Basic Pitch runs in an
   environment of its own, see `benchmarks/hearing/independent.py`.
3. table prints the means of all that was heard, as Markdown. docs/hearing.md explains its columns.
4. check compares F1 scores with those of mir_eval, which `independent.py` writes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.hearing.clip_set import draw_test_set
from benchmarks.hearing.given_pairs import pair_test_set
from benchmarks.hearing.systems import hear_by_codec, hear_by_transcriber
from benchmarks.hearing.table import largest_deviation, markdown_table, score_test_sets
from manifests.types import InputError


def parse_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("draw", help="make a test set of clips")
    draw.add_argument("data", type=Path, help="folder of a rendered dataset or tone bank")
    draw.add_argument("out", type=Path, help="folder to write")
    draw.add_argument("--split", default="validation", help="split to draw clips from")
    draw.add_argument("--clips", type=int, default=60, help="number of clips")
    draw.add_argument("--seed", type=int, default=1, help="seed of the draw")
    pairs = commands.add_parser("pairs", help="make a test set of given pairs")
    pairs.add_argument("folder", type=Path, help="folder of PAIR_orig.wav, PAIR_ref.wav and PAIR_gt.wav")
    pairs.add_argument("out", type=Path, help="folder to write")
    pairs.add_argument("--grid-s", type=float, default=0.25, help="step of the time grid in seconds")
    codec = commands.add_parser("codec", help="hear by a codec")
    codec.add_argument("checkpoint", type=Path, help="RUN/best.safetensors")
    codec.add_argument("--name", default="codec", help="its name in the table")
    transcriber = commands.add_parser("transcriber", help="hear by the training-free transcriber")
    table = commands.add_parser("table", help="print the table")
    table.add_argument("--rows", type=Path, help="Parquet file to write, one row for each clip and system")
    check = commands.add_parser("check", help="compare F1 scores with mir_eval's")
    for command in (codec, transcriber, table, check):
        command.add_argument("sets", type=Path, nargs="+", help="folders of test sets")
    return parser.parse_args()


def main() -> None:
    """Runs one of the commands. Bad input gets one line and exit status 2."""
    try:
        run(parse_arguments())
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def run(args: argparse.Namespace) -> None:
    """Runs the command that was parsed. Raises InputError for a folder or file that cannot be used."""
    if args.command == "draw":
        draw_test_set(args.data, args.split, args.clips, args.seed, args.out)
    elif args.command == "pairs":
        pair_test_set(args.folder, args.grid_s, args.out)
    elif args.command == "table":
        rows = score_test_sets(args.sets)
        if args.rows:
            rows.to_parquet(args.rows, index=False)
        print(markdown_table(rows), end="")
    else:
        for folder in args.sets:
            if args.command == "codec":
                hear_by_codec(folder, args.checkpoint, args.name)
            elif args.command == "transcriber":
                hear_by_transcriber(folder)
            else:
                deviations = largest_deviation(folder).items()
                print(f"{folder.name}: " + ", ".join(f"{name} {value:.2g}" for name, value in deviations))


if __name__ == "__main__":
    main()
