"""Measures with probes how much each of the codec's factors reveals of the other ones.

    .venv/bin/python -m benchmarks.probes --checkpoint RUN/best.safetensors --data DIR [--clips 1500]

A probe is a two-layer MLP. Its input is the mean and standard deviation of a latent over time, or over notes
for the note list. It predicts one factor: the class of the timbre, of the octave or of the phrase, or the
five numbers of the envelope. Scores are accuracy, and R^2 for the envelope, as means of five seeds. Log-mel
frames give an upper reference, shuffled labels a lower one.

Probes are trained and tested on cells of the train split. Each pair of the two factors that are not predicted
belongs to one side only, so a probe cannot recognise a cell by them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from manifests.splits.seeds import permutation
from manifests.types import ClipId
from train.codec.api import Codec, load_codec
from train.data.clips import read_clips
from train.data.tables import Tables
from train.nn.gain import envelope_batch
from train.systems.triptych.hearing.analysis import analyse
from train.systems.triptych.hearing.analysis_result import Analysis
from train.systems.triptych.networks.envelope_head import to_units
from train.systems.triptych.playing.timbre_extraction import extract_timbre
from train.systems.triptych.system import Triptych

SEEDS = range(5)
LATENTS = ("content", "envelope", "timbre", "log-mel")
FACTORS = ("timbre", "octave", "envelope", "phrase")
OWN_FACTORS = {
    "content": ("phrase",),
    "envelope": ("envelope",),
    "timbre": ("timbre", "octave"),
    "log-mel": (),
}


class ProbeClip(NamedTuple):
    """A clip's labels and latents.

    Attributes:
        id: the clip's ids.
        octave: the octave of its timbre.
        envelope: its five numbers in the units of the envelope head, float32 [5].
        latents: pooled latents by name, float32 [n] each.
    """

    id: ClipId
    octave: int
    envelope: np.ndarray
    latents: dict[str, np.ndarray]


def pool_over_time(frames: np.ndarray) -> np.ndarray:
    """Returns mean and standard deviation over time of frames [T, C]: float32 [2 * C]."""
    return np.concatenate([frames.mean(0), frames.std(0)]).astype(np.float32)


@torch.no_grad()
def pooled_latents(codec: Codec, audio: np.ndarray) -> dict[str, np.ndarray] | None:
    """Encodes a clip, float32 [frames], and pools its factors and log-mel.

    Returns None if it has no notes.
    """
    system = codec.system
    assert isinstance(system, Triptych)
    (analysis,) = analyse(system, [audio])
    if analysis.passage is None:
        return None
    timbre = extract_timbre(system, analysis.passage, analysis.envelope)
    return {
        "content": pool_over_time(note_matrix(analysis)),
        "envelope": pool_over_time(to_units(envelope_batch([analysis.envelope])).numpy()),
        "timbre": pool_over_time(timbre.vectors.flatten(1).numpy()),
        "log-mel": pool_over_time(analysis.passage.features.mel_BFM[0].numpy()),
    }


def note_matrix(analysis: Analysis) -> np.ndarray:
    """Returns onset and duration in seconds, pitch in octaves from C4 and velocity of each note: float
    [notes, 4].

    The octave of the median pitch is subtracted from the pitch.
    """
    return np.array(
        [
            [
                note.onset,
                note.duration,
                (note.pitch - 12 * analysis.sounding_octave - 60) / 12.0,
                note.velocity / 127.0,
            ]
            for note in analysis.notes
        ]
    )


def collect_latents(codec: Codec, tables: Tables, count: int, seed: int) -> list[ProbeClip]:
    """Draws `count` clips of the train split and encodes them.

    Clips in which no note is found are left out.
    """
    blocks = tables.blocks("train")
    ids = [id for block in blocks for id in block.ids()]
    chosen = [ids[index] for index in permutation(seed, len(ids), "probes")[:count]]
    clips = []
    for start in range(0, len(chosen), 64):
        batch = chosen[start : start + 64]
        sounds = read_clips(tables.layout, [id.key for id in batch])
        for id in batch:
            latents = pooled_latents(codec, (sounds[id.key] / 32768.0).astype(np.float32))
            if latents is not None:
                envelope = to_units(envelope_batch([tables.envelopes[id.envelope]]))[0, :5].numpy()
                clips.append(ProbeClip(id, tables.timbre_octaves[id.timbre], envelope, latents))
    return clips


def label_of(clip: ProbeClip, factor: str) -> Any:
    """Returns the clip's label of a factor: an id, the octave, or the envelope's numbers, float32 [5]."""
    return {
        "timbre": clip.id.timbre, "octave": clip.octave, "envelope": clip.envelope, "phrase": clip.id.phrase,
    }[factor]  # fmt: skip


def held_out_mask(clips: Sequence[ProbeClip], factor: str, seed: int) -> np.ndarray:
    """Draws the clips to test a factor's probe on: bool [clips].

    They are the clips of 30% of the pairs of the two other factors.
    """

    def other_factors(clip: ProbeClip) -> tuple[int, int]:
        id = clip.id
        return {
            "timbre": (id.envelope, id.phrase), "octave": (id.envelope, id.phrase),
            "envelope": (id.timbre, id.phrase), "phrase": (id.timbre, id.envelope),
        }[factor]  # fmt: skip

    pairs = sorted({other_factors(clip) for clip in clips})
    order = permutation(seed, len(pairs), "probe sides", factor)
    held_out = {pairs[index] for index in order[: round(0.3 * len(pairs))]}
    return np.array([other_factors(clip) in held_out for clip in clips])


def fit_probe(x: np.ndarray, y: np.ndarray, held_out: np.ndarray, seed: int, classes: int) -> float:
    """Trains an MLP on the clips outside the mask `held_out`, bool [clips], and scores it on those inside.

    `x` are latents [clips, n]. `y` are class indices [clips], or with `classes` 0 numbers [clips, m]. Returns
    the accuracy, or the mean R^2 over the numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = torch.from_numpy(x).float()
        training = torch.from_numpy(~held_out)
        inputs = (inputs - inputs[training].mean(0)) / (inputs[training].std(0) + 1e-4)
        net = nn.Sequential(nn.Linear(x.shape[1], 128), nn.GELU(), nn.Linear(128, classes or y.shape[1]))
        target = torch.from_numpy(y) if classes else torch.from_numpy(y).float()
        if not classes:
            target = (target - target[training].mean(0)) / (target[training].std(0) + 1e-6)
        optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
        loss_of = nn.functional.cross_entropy if classes else nn.functional.mse_loss
        for _ in range(300):
            optimiser.zero_grad()
            loss = loss_of(net(inputs[training]), target[training])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            predicted, true = net(inputs[~training]), target[~training]
        if classes:
            return float((predicted.argmax(1) == true).float().mean())
        residual = (predicted - true).square().sum(0)
        return float((1.0 - residual / (true - true.mean(0)).square().sum(0)).mean())


def probe_scores(clips: Sequence[ProbeClip]) -> dict[str, dict[str, dict[str, float]]]:
    """Predicts each factor from each latent:

    factor -> latent -> `score`, `shuffled` (labels) and `chance`.
    """
    result: dict[str, dict[str, dict[str, float]]] = {}
    for factor in FACTORS:
        values = [label_of(clip, factor) for clip in clips]
        if factor == "envelope":
            y, classes, chance = np.stack(values), 0, 0.0
        else:
            names, y = np.unique(np.array(values), return_inverse=True)
            classes = len(names)
            chance = float(np.bincount(y).max() / len(y))
        result[factor] = {}
        for latent in LATENTS:
            x = np.stack([clip.latents[latent] for clip in clips])
            scores, shuffled_scores = [], []
            for seed in SEEDS:
                held_out = held_out_mask(clips, factor, seed)
                scores.append(fit_probe(x, y, held_out, seed, classes))
                shuffled = y[permutation(seed, len(y), "shuffled")]
                shuffled_scores.append(fit_probe(x, shuffled, held_out, seed, classes))
            result[factor][latent] = {
                "score": float(np.mean(scores)),
                "shuffled": float(np.mean(shuffled_scores)),
                "chance": chance,
            }
    return result


def check_targets(scores: dict[str, dict[str, dict[str, float]]]) -> dict[str, bool]:
    """Compares the scores of `probe_scores` with the targets. Returns whether each is met, by a sentence.

    A latent must predict its own factors with at least 0.9 of log-mel's score. It may predict any other
    factor with at most twice chance, or R^2 0.1.
    """
    met = {}
    for latent in LATENTS[:-1]:
        for factor in FACTORS:
            entry, ceiling = scores[factor][latent], scores[factor]["log-mel"]["score"]
            if factor in OWN_FACTORS[latent]:
                met[f"{latent} predicts {factor}"] = entry["score"] >= 0.9 * ceiling
            else:
                limit = 0.1 if factor == "envelope" else 2.0 * entry["chance"]
                met[f"{latent} hides {factor}"] = entry["score"] <= limit
    return met


def main() -> None:
    """Prints the scores as a table and whether each target is met, or both as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="the codec: RUN/best.safetensors")
    parser.add_argument("--data", type=Path, required=True, help="folder of a rendered dataset")
    parser.add_argument("--clips", type=int, default=1500, help="number of clips of the train split")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw of clips")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    args = parser.parse_args()
    clips = collect_latents(load_codec(args.checkpoint), Tables.open(args.data), args.clips, args.seed)
    scores = probe_scores(clips)
    targets = check_targets(scores)
    if args.json:
        print(json.dumps({"scores": scores, "targets": targets}))
        return
    print(
        f"{len(clips)} clips; R^2 of the envelope, accuracy of the others; in brackets with shuffled labels"
    )
    print(f"{'':10}" + "".join(f"{latent:>20}" for latent in LATENTS) + f"{'chance':>10}")
    for factor, row in scores.items():
        cells = "".join(f"{row[name]['score']:12.2f} ({row[name]['shuffled']:5.2f})" for name in LATENTS)
        print(f"{factor:10}{cells}{row['timbre']['chance']:10.2f}")
    for target, met in targets.items():
        print(f"  {'met    ' if met else 'NOT MET'}  {target}")


if __name__ == "__main__":
    main()
