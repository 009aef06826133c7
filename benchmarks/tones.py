"""Scores what plays a reference's timbre, by the distance in pitch from the reference's notes.

    python -m benchmarks.tones CHECKPOINT DATA... [--split SPLIT]... [--pairs N]

Notes and envelopes are the true ones, of source and reference. So the figures tell playing from hearing. Each
method plays the same pairs of the kind *both*; every note is scored alone, and every clip as a whole.

- oscillators: filtered by the profile, as for timbres without tones;
- resampled: the nearest tone from its onset on, read faster or slower;
- filled: also with the band above slower tones;
- corrected: also with the levels of harmonics corrected, as conversions play.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from manifests.synthesis.compose import gain, spans
from manifests.types import Notes
from train.codec.api import load_codec
from train.data.pairs import draw_pairs, possible_pairs
from train.data.tables import Tables, split_blocks
from train.evaluation.pairs import ground_truth_of, read_pair_audio
from train.metrics import score, spectral_features
from train.metrics.measurement import GroundTruth
from train.nn.gain import note_batch
from train.systems.base import Audio
from train.systems.triptych.hearing.analysis_result import Passage
from train.systems.triptych.networks.features import HOP, extract_features
from train.systems.triptych.networks.timbre import Timbre
from train.systems.triptych.networks.tone_reading import choose_tones, read_tones
from train.systems.triptych.playing.loudness import loudest_rms
from train.systems.triptych.playing.timbre_extraction import extract_timbre
from train.systems.triptych.playing.tone_playing import ToneRows, play_tones
from train.systems.triptych.system import Triptych

SEED = 7
"""Seed of the draw of pairs, the same in all runs."""

DISTANCES = ((0, 0), (1, 1), (2, 2), (3, 5), (6, 127))
"""Distances in semitones that are averaged together."""

SHORTEST = 3000
"""Samples of the shortest note that is scored alone."""

METHODS = ("oscillators", "resampled", "filled", "corrected")


def true_timbre(system: Triptych, audio: Audio, truth: GroundTruth) -> Timbre:
    """Extracts the timbre of a clip under its true notes and envelope."""
    sound = torch.from_numpy(audio)
    features = extract_features(sound[None], system.format.rate)
    notes = note_batch([truth.notes], system.format.rate, len(audio))
    assert truth.envelope is not None
    return extract_timbre(system, Passage(sound, features, notes, 1.0), truth.envelope)


def play(
    system: Triptych, uncorrected: Triptych, timbre: Timbre, notes: Notes, samples: int
) -> dict[str, Tensor]:
    """Plays dry tones of notes by each method: float32 [notes, samples]."""
    pitch_R = torch.tensor([float(note.pitch) for note in notes])
    rows = ToneRows(
        pitch_R,
        torch.zeros_like(pitch_R),
        torch.full_like(pitch_R, float(samples)),
        torch.arange(len(pitch_R)),
    )
    assert timbre.tones is not None
    index_R, distance_R = choose_tones(timbre.tones, pitch_R, system.format.rate)
    resampled = read_tones(timbre.tones, index_R, distance_R, rows.start_R, samples, system.format.rate)
    return {
        "oscillators": play_tones(system, timbre._replace(tones=None), rows, samples),
        "resampled": resampled,
        "filled": play_tones(uncorrected, timbre, rows, samples),
        "corrected": play_tones(system, timbre, rows, samples),
    }


Scores = dict[str, dict[str, list[tuple[float, float]]]]


@torch.no_grad()
def score_split(system: Triptych, uncorrected: Triptych, tables: Tables, split: str, count: int) -> Scores:
    """Scores all methods on pairs of a split: by method and column, (floored MSTFT, floored LRMSD)."""
    possible = sum(possible_pairs(block) for block in split_blocks(tables.layout, split))
    pairs = draw_pairs(tables.layout, split, "both", min(count, possible), SEED)
    clips = read_pair_audio(tables.layout, pairs)
    format = system.format
    scores: Scores = {method: defaultdict(list) for method in METHODS}
    for pair in pairs:
        reference, target = clips[pair.reference], clips[pair.target]
        timbre = true_timbre(system, reference, ground_truth_of(tables, pair.reference))
        if timbre.tones is None:
            continue
        truth = ground_truth_of(tables, pair.target)
        placed = spans(truth.notes, format.rate, len(target))
        samples = -(-max(span.end - span.onset for span in placed) // HOP) * HOP
        played = play(system, uncorrected, timbre, truth.notes, samples)
        assert truth.envelope is not None
        gain_T = gain(truth.notes, truth.envelope, format.rate, len(target), format.cut_fade_ms)
        pitch_R = torch.tensor([float(note.pitch) for note in truth.notes])
        _, distance_R = choose_tones(timbre.tones, pitch_R, format.rate)
        for method, tones in played.items():
            sound = np.zeros(len(target), dtype=np.float32)
            for tone, span in zip(tones.numpy(), placed, strict=True):
                sound[span.onset : span.end] = tone[: span.end - span.onset]
            sound *= gain_T
            sound *= loudest_rms(reference) / max(loudest_rms(sound), 1e-9)
            scores[method]["clip"].append(_headline(sound, target))
            for span, distance in zip(placed, distance_R.abs().tolist(), strict=True):
                if span.end - span.onset >= SHORTEST:
                    bounds = next(each for each in DISTANCES if distance <= each[1])
                    scores[method][_column(bounds)].append(
                        _headline(sound[span.onset : span.end], target[span.onset : span.end])
                    )
    return scores


def _headline(estimate: Audio, target: Audio) -> tuple[float, float]:
    scores = score(spectral_features(estimate), spectral_features(target))
    return scores["mstft_floored"], scores["lrmsd_floored"]


def _column(bounds: tuple[int, int]) -> str:
    low, high = bounds
    return f"{low}" if low == high else f"{low}+" if high == 127 else f"{low} to {high}"


def format_scores(title: str, scores: Scores) -> str:
    """Writes the scores of a split as a Markdown table: MSTFT / LRMSD, then MSTFT by distance."""
    columns = [_column(bounds) for bounds in DISTANCES]
    counts = [len(scores[METHODS[0]][column]) for column in columns]
    head = " | ".join(f"{column} ({count})" for column, count in zip(columns, counts, strict=True))
    lines = [f"| {title} | clips | {head} |", "|---" * (len(columns) + 2) + "|"]
    for method in METHODS:
        mstft, lrmsd = np.mean(scores[method]["clip"], axis=0)
        cells = [
            f"{np.mean([value for value, _ in scores[method][column]]):.2f}"
            if scores[method][column]
            else "-"
            for column in columns
        ]
        lines.append(f"| {method} | {mstft:.3f} / {lrmsd:.3f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, and prints one table for each dataset and split."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--split", action="append")
    parser.add_argument("--pairs", type=int, default=24)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    system, uncorrected = (load_codec(given.checkpoint).system for _ in range(2))
    assert isinstance(system, Triptych)
    assert isinstance(uncorrected, Triptych)
    with torch.no_grad():
        for parameter in uncorrected.transposition.leave.parameters():
            parameter.zero_()
    for data in given.data:
        tables = Tables.open(data)
        for split in given.split or ["validation", "test_unseen_timbre", "test_unseen_all"]:
            scores = score_split(system, uncorrected, tables, split, given.pairs)
            print(format_scores(f"{data.name}, {split}", scores), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
