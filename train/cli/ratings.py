"""`python -m train ratings`: scores the ratings of a blind listening test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train.evaluation.page.ratings import ratings_report, score_ratings


def ratings(
    tables: Annotated[list[Path], typer.Argument(help="The CSV files that listeners saved.")],
    key: Annotated[Path, typer.Option(help="The key that `train page --blind` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for ratings.json and ratings.md.")],
    seed: Annotated[int, typer.Option(help="Seed of the intervals.")] = 0,
) -> None:
    """Score a blind listening test: means with intervals, and the systems compared."""
    print(ratings_report(score_ratings(key, tables, out, seed)))
