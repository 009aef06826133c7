"""Fits the embedding of train/metrics/timbre.py, and measures how well it tells timbres apart.

    python -m benchmarks.timbre_embedding DATASET [--write]

DATASET is any rendered dataset with many timbres. Timbres of its train side fit the projection; the
figures are of the others (`side` test), never used in fitting: the area under the ROC curve of the
distance, pairs of one timbre against pairs of two, all pairs with different phrases whose median pitches
are within a semitone. Within-synth figures leave out pairs of timbres from two synths, which are easy.
Each synth is also measured alone: by what was fitted on both, and by what was fitted on the others alone.
The embedding is accepted for reports where the area is 0.95 or more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from manifests.splits.seeds import stream
from manifests.synthesis.octaves import median_pitch
from train.data.clips import read_clips
from train.data.tables import Tables
from train.evaluation.pairs import to_float
from train.evaluation.run import held_out_splits
from train.metrics import timbre

F64 = npt.NDArray[np.float64]
DIMENSIONS = 16
RIDGE = 1.0
CLIPS_A_TIMBRE = 20


def gather(tables: Tables) -> tuple[pd.DataFrame, F64, F64]:
    """Some clips of every timbre: ids, features and MFCCs."""
    there = ["train", *held_out_splits(tables.layout)]
    ids = sorted(
        {clip for split in there for block in tables.blocks(split) for clip in block.ids()},
        key=lambda clip: float(stream(0, "embedding clip", clip.key).random()),
    )
    counts: dict[int, int] = {}
    chosen = []
    for clip in ids:
        counts[clip.timbre] = counts.get(clip.timbre, 0) + 1
        if counts[clip.timbre] <= CLIPS_A_TIMBRE:
            chosen.append(clip)
    sides = tables.layout.read("timbres").column("side").to_pylist()
    synths = tables.layout.read("timbres").column("synth").to_pylist()
    rows, found, coefficients = [], [], []
    for start in range(0, len(chosen), 200):
        some = chosen[start : start + 200]
        clips = read_clips(tables.layout, [clip.key for clip in some])
        for clip in some:
            level = timbre.frames_db(to_float(clips[clip.key]), tables.rate)
            assert level is not None
            found.append(timbre.embedding_inputs(level))
            coefficients.append(timbre.mfcc(level))
            pitch = median_pitch(tables.sounding(clip.timbre, clip.phrase))
            rows.append((clip.timbre, clip.phrase, pitch, sides[clip.timbre], synths[clip.timbre]))
    frame = pd.DataFrame(rows, columns=["timbre", "phrase", "pitch", "side", "synth"])
    return frame, np.stack(found), np.stack(coefficients)


def fit(features: F64, labels: npt.NDArray[np.int64]) -> tuple[F64, F64]:
    """Fisher's discriminant, the within-class scatter made rounder by `RIDGE`: mean and matrix."""
    spread = features.std(axis=0) + 1e-6
    mean = features.mean(axis=0)
    x = (features - mean) / spread
    classes = np.unique(labels)
    means = np.stack([x[labels == c].mean(axis=0) for c in classes])
    rest = np.concatenate([x[labels == c] - m for c, m in zip(classes, means, strict=True)])
    within = rest.T @ rest / len(rest)
    within += RIDGE * np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    white = vectors @ np.diag(values**-0.5) @ vectors.T
    _, axes = np.linalg.eigh(white @ (means.T @ means / len(means)) @ white)
    return mean, (white @ axes[:, ::-1][:, :DIMENSIONS]) / spread[:, None]


def area(frame: pd.DataFrame, distance: Callable[[int, int], float], one_synth: bool) -> tuple[float, int]:
    """The area under the ROC curve, and how many pairs of one timbre it is from."""
    draws = stream(0, "embedding pairs", int(one_synth))
    same: list[float] = []
    other: list[float] = []
    t, p, pitch, synth = (frame[name].to_numpy() for name in ("timbre", "phrase", "pitch", "synth"))
    for i, j in (draws.random((200_000, 2)) * len(frame)).astype(int):
        if p[i] == p[j] or abs(pitch[i] - pitch[j]) > 1 or (one_synth and synth[i] != synth[j]):
            continue
        found = same if t[i] == t[j] else other
        if len(found) < 8000:
            found.append(distance(i, j))
    everything = np.argsort(np.argsort(np.array(same + other), kind="stable"), kind="stable")
    ranks = float(everything[len(same) :].sum())
    return (ranks - len(other) * (len(other) - 1) / 2) / (len(same) * len(other)), len(same)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--write", action="store_true", help="put the projection into the package")
    asked = parser.parse_args()
    frame, features, coefficients = gather(Tables.open(asked.dataset))
    fitting = (frame["side"] == "train").to_numpy()
    mean, matrix = fit(features[fitting], frame["timbre"].to_numpy()[fitting])
    if asked.write:
        out = Path(timbre.__file__).with_name(timbre.EMBEDDING)
        with out.open("wb") as file:
            np.savez(file, mean=mean.astype(np.float32), matrix=matrix.astype(np.float32))
        print(f"{out.name}: {out.stat().st_size} bytes")
    print(f"fitted on {frame['timbre'][fitting].nunique()} timbres, {int(fitting.sum())} clips")
    report("other timbres", frame, features, coefficients, ~fitting, (mean, matrix))
    for synth in sorted(set(frame["synth"])):
        its = (frame["synth"] == synth).to_numpy()
        report(f"other timbres of {synth}", frame, features, coefficients, ~fitting & its, (mean, matrix))
        if not its.all():
            rest = fitting & ~its
            without = fit(features[rest], frame["timbre"].to_numpy()[rest])
            words = f"all timbres of {synth}, fitted on the other synths alone"
            report(words, frame, features, coefficients, its, without)


def report(
    words: str,
    frame: pd.DataFrame,
    features: F64,
    coefficients: F64,
    rows: npt.NDArray[np.bool_],
    projection: tuple[F64, F64],
) -> None:
    """Prints the areas of both distances on some rows, pairs of two synths left out as well."""
    held = frame[rows].reset_index(drop=True)
    mean, matrix = projection
    places = (features[rows] - mean) @ matrix
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    mfccs = coefficients[rows]
    print(f"{words}: {held['timbre'].nunique()} timbres, {len(held)} clips")
    distances: dict[str, Callable[[int, int], float]] = {
        "embedding": lambda i, j: 1.0 - float(places[i] @ places[j]),
        "MFCC": lambda i, j: float(np.sqrt(np.mean((mfccs[i] - mfccs[j]) ** 2))),
    }
    for name, distance in distances.items():
        for pairs, one_synth in (("all pairs", False), ("within one synth", True)):
            if one_synth and held["synth"].nunique() == 1:
                continue
            value, count = area(held, distance, one_synth)
            print(f"  {name}, {pairs}: AUC {value:.4f} ({count} pairs of one timbre)")


if __name__ == "__main__":
    main()
