"""Fits the timbre embedding of manifests/dsp/timbre_embedding.py, and measures how well it separates timbres.

    .venv/bin/python -m benchmarks.timbre_embedding DATASET [--write]

DATASET is a rendered dataset with many timbres. Timbres of its train side fit the projection. The figures are
of the timbres on the test side, which are not used in fitting. Each figure is the area under the ROC curve of
the embedding's distance: pairs of clips of one timbre against pairs of two timbres. The clips of a pair have
different phrases, whose median pitches are within a semitone.

Figures within one synth leave out pairs of two synths, which are easy. Each synth is also measured alone,
with the projection fitted on all synths and with one fitted on the other synths. Reports use the embedding if
the area is 0.95 or more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from manifests.dsp import timbre_embedding
from manifests.splits.seeds import stream
from manifests.synthesis.octaves import median_pitch
from train.data.clips import read_clips
from train.data.tables import Tables
from train.evaluation.pairs import pcm_to_float
from train.evaluation.run import held_out_splits
from train.metrics import timbre

F64 = npt.NDArray[np.float64]
DIMENSIONS = 16
RIDGE = 1.0
"""Multiple of the mean within-class variance that is added to the within-class scatter's diagonal."""
CLIPS_PER_TIMBRE = 20


def collect_features(tables: Tables) -> tuple[pd.DataFrame, F64, F64]:
    """Reads up to `CLIPS_PER_TIMBRE` clips of each timbre.

    Returns a row of ids and pitch for each clip, features [clips, features] and MFCCs [clips, coefficients].
    """
    splits = ["train", *held_out_splits(tables.layout)]
    ids = sorted(
        {clip for split in splits for block in tables.blocks(split) for clip in block.ids()},
        key=lambda clip: float(stream(0, "embedding clip", clip.key).random()),
    )
    counts: dict[int, int] = {}
    chosen = []
    for clip in ids:
        counts[clip.timbre] = counts.get(clip.timbre, 0) + 1
        if counts[clip.timbre] <= CLIPS_PER_TIMBRE:
            chosen.append(clip)
    sides = tables.layout.read("timbres").column("side").to_pylist()
    synths = tables.layout.read("timbres").column("synth").to_pylist()
    rows, features, coefficients = [], [], []
    for start in range(0, len(chosen), 200):
        some = chosen[start : start + 200]
        clips = read_clips(tables.layout, [clip.key for clip in some])
        for clip in some:
            level = timbre_embedding.frames_db(pcm_to_float(clips[clip.key]), tables.rate)
            assert level is not None
            features.append(timbre_embedding.embedding_inputs(level))
            coefficients.append(timbre.mfcc(level))
            pitch = median_pitch(tables.sounding_notes(clip.timbre, clip.phrase))
            rows.append((clip.timbre, clip.phrase, pitch, sides[clip.timbre], synths[clip.timbre]))
    frame = pd.DataFrame(rows, columns=["timbre", "phrase", "pitch", "side", "synth"])
    return frame, np.stack(features), np.stack(coefficients)


def fit_discriminant(features: F64, labels: npt.NDArray[np.int64]) -> tuple[F64, F64]:
    """Fits Fisher's linear discriminant, with the within-class scatter regularised by `RIDGE`.

    `features` are [clips, features] and `labels` timbre ids [clips]. Returns the mean [features] and the
    projection [features, DIMENSIONS].
    """
    spread = features.std(axis=0) + 1e-6
    mean = features.mean(axis=0)
    x = (features - mean) / spread
    classes = np.unique(labels)
    means = np.stack([x[labels == c].mean(axis=0) for c in classes])
    residuals = np.concatenate([x[labels == c] - m for c, m in zip(classes, means, strict=True)])
    within = residuals.T @ residuals / len(residuals)
    within += RIDGE * np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    white = vectors @ np.diag(values**-0.5) @ vectors.T
    _, axes = np.linalg.eigh(white @ (means.T @ means / len(means)) @ white)
    return mean, (white @ axes[:, ::-1][:, :DIMENSIONS]) / spread[:, None]


def area_under_roc(
    frame: pd.DataFrame, distance: Callable[[int, int], float], one_synth: bool
) -> tuple[float, int]:
    """Computes the area under the ROC curve of `distance` between rows, by the Mann-Whitney statistic.

    `one_synth` leaves out pairs of two synths. Returns the area and the number of pairs of one timbre.
    """
    draws = stream(0, "embedding pairs", int(one_synth))
    same: list[float] = []
    other: list[float] = []
    t, p, pitch, synth = (frame[name].to_numpy() for name in ("timbre", "phrase", "pitch", "synth"))
    for i, j in (draws.random((200_000, 2)) * len(frame)).astype(int):
        if p[i] == p[j] or abs(pitch[i] - pitch[j]) > 1 or (one_synth and synth[i] != synth[j]):
            continue
        distances = same if t[i] == t[j] else other
        if len(distances) < 8000:
            distances.append(distance(i, j))
    ranks = np.argsort(np.argsort(np.array(same + other), kind="stable"), kind="stable")
    rank_sum = float(ranks[len(same) :].sum())
    return (rank_sum - len(other) * (len(other) - 1) / 2) / (len(same) * len(other)), len(same)


def main() -> None:
    """Fits the projection, prints the areas and, with `--write`, saves the projection."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dataset", type=Path, help="folder of a rendered dataset")
    parser.add_argument("--write", action="store_true", help="save the projection into `manifests`")
    args = parser.parse_args()
    frame, features, coefficients = collect_features(Tables.open(args.dataset))
    fitting = (frame["side"] == "train").to_numpy()
    mean, matrix = fit_discriminant(features[fitting], frame["timbre"].to_numpy()[fitting])
    if args.write:
        out = Path(timbre_embedding.__file__).with_name(timbre_embedding.EMBEDDING)
        with out.open("wb") as file:
            np.savez(file, mean=mean.astype(np.float32), matrix=matrix.astype(np.float32))
        print(f"{out.name}: {out.stat().st_size} bytes")
    print(f"fitted on {frame['timbre'][fitting].nunique()} timbres, {int(fitting.sum())} clips")
    print_areas("test timbres", frame, features, coefficients, ~fitting, (mean, matrix))
    for synth in sorted(set(frame["synth"])):
        of_synth = (frame["synth"] == synth).to_numpy()
        rows = ~fitting & of_synth
        print_areas(f"test timbres of {synth}", frame, features, coefficients, rows, (mean, matrix))
        if not of_synth.all():
            others = fitting & ~of_synth
            without = fit_discriminant(features[others], frame["timbre"].to_numpy()[others])
            title = f"all timbres of {synth}, fitted on the other synths"
            print_areas(title, frame, features, coefficients, of_synth, without)


def print_areas(
    title: str,
    frame: pd.DataFrame,
    features: F64,
    coefficients: F64,
    rows: npt.NDArray[np.bool_],
    projection: tuple[F64, F64],
) -> None:
    """Prints the areas of the embedding's and the MFCCs' distance on the clips `rows`, a mask [clips].

    `projection` is a mean and a matrix of `fit_discriminant`. Areas are of all pairs and of pairs within one
    synth.
    """
    selected = frame[rows].reset_index(drop=True)
    mean, matrix = projection
    embeddings = (features[rows] - mean) @ matrix
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    mfccs = coefficients[rows]
    print(f"{title}: {selected['timbre'].nunique()} timbres, {len(selected)} clips")
    distances: dict[str, Callable[[int, int], float]] = {
        "embedding": lambda i, j: 1.0 - float(embeddings[i] @ embeddings[j]),
        "MFCC": lambda i, j: float(np.sqrt(np.mean((mfccs[i] - mfccs[j]) ** 2))),
    }
    for name, distance in distances.items():
        for pairs, one_synth in (("all pairs", False), ("within one synth", True)):
            if one_synth and selected["synth"].nunique() == 1:
                continue
            value, count = area_under_roc(selected, distance, one_synth)
            print(f"  {name}, {pairs}: AUC {value:.4f} ({count} pairs of one timbre)")


if __name__ == "__main__":
    main()
