"""What each of the codec's factors gives away of the others: probes on latents, with a ceiling and a floor.

    .venv/bin/python -m benchmarks.probes --checkpoint RUN/best.safetensors --data DIR [--clips 1500]

A probe is a two-layer MLP on the mean and standard deviation of a latent over time (over notes, for the
note list), taught on some cells of the train split and asked about others: with the timbre (a class), the
octave (a class, part of the timbre), the envelope (its five numbers, R^2), and the phrase (a class). Beside
each latent stand log-mel frames as ceiling and shuffled labels as floor. Mean of five seeds.

The cells of a probe's two sides are disjoint in what could give the answer away: a cell's (timbre, envelope,
phrase) is on one side only, and so is each pair of the two factors that are not asked for.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
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
from train.systems.triptych.inference.analysis import Analysis, analyse
from train.systems.triptych.inference.timbre_extraction import extract_timbre
from train.systems.triptych.networks.envelope_head import to_units
from train.systems.triptych.system import Triptych

SEEDS = range(5)
LATENTS = ("content", "envelope", "timbre", "log-mel")
FACTORS = ("timbre", "octave", "envelope", "phrase")
OWN = {"content": ("phrase",), "envelope": ("envelope",), "timbre": ("timbre", "octave"), "log-mel": ()}


class Clip(NamedTuple):
    id: ClipId
    octave: int
    envelope: np.ndarray
    latents: dict[str, np.ndarray]


def pooled(frames: np.ndarray) -> np.ndarray:
    """Mean and standard deviation over time, [2 * C] of [T, C]."""
    return np.concatenate([frames.mean(0), frames.std(0)]).astype(np.float32)


@torch.no_grad()
def latents_of(codec: Codec, audio: np.ndarray) -> dict[str, np.ndarray] | None:
    """The codec's three factors and the log-mel of a clip; None where no note is analysis."""
    system = codec.system
    assert isinstance(system, Triptych)
    (analysis,) = analyse(system, [audio])
    if analysis.passage is None:
        return None
    timbre = extract_timbre(system, analysis.passage, analysis.envelope)
    return {
        "content": pooled(content(analysis)),
        "envelope": pooled(to_units(envelope_batch([analysis.envelope])).numpy()),
        "timbre": pooled(timbre.vectors.flatten(1).numpy()),
        "log-mel": pooled(analysis.passage.features.mel_BFM[0].numpy()),
    }


def content(analysis: Analysis) -> np.ndarray:
    """The note list as it is handed on: the octave taken out, one row a note."""
    return np.array(
        [
            [
                note.onset,
                note.duration,
                (note.pitch - 12 * analysis.octave - 60) / 12.0,
                note.velocity / 127.0,
            ]
            for note in analysis.notes
        ]
    )


def gather(codec: Codec, tables: Tables, count: int, seed: int) -> list[Clip]:
    blocks = tables.blocks("train")
    ids = [id for block in blocks for id in block.ids()]
    chosen = [ids[index] for index in permutation(seed, len(ids), "probes")[:count]]
    clips = []
    for start in range(0, len(chosen), 64):
        some = chosen[start : start + 64]
        sounds = read_clips(tables.layout, [id.key for id in some])
        for id in some:
            found = latents_of(codec, (sounds[id.key] / 32768.0).astype(np.float32))
            if found is not None:
                envelope = to_units(envelope_batch([tables.envelopes[id.envelope]]))[0, :5].numpy()
                clips.append(Clip(id, tables.timbre_octaves[id.timbre], envelope, found))
    return clips


def label(factor: str) -> Callable[[Clip], Any]:
    return {
        "timbre": lambda clip: clip.id.timbre, "octave": lambda clip: clip.octave,
        "envelope": lambda clip: clip.envelope, "phrase": lambda clip: clip.id.phrase,
    }[factor]  # fmt: skip


def sides(clips: Sequence[Clip], factor: str, seed: int) -> np.ndarray:
    """Which clips are asked about: those whose pair of the two other factors is on that side, 30%."""

    def pair(clip: Clip) -> tuple[int, int]:
        id = clip.id
        return {
            "timbre": (id.envelope, id.phrase), "octave": (id.envelope, id.phrase),
            "envelope": (id.timbre, id.phrase), "phrase": (id.timbre, id.envelope),
        }[factor]  # fmt: skip

    pairs = sorted({pair(clip) for clip in clips})
    order = permutation(seed, len(pairs), "probe sides", factor)
    asked = {pairs[index] for index in order[: round(0.3 * len(pairs))]}
    return np.array([pair(clip) in asked for clip in clips])


def probe(x: np.ndarray, y: np.ndarray, asked: np.ndarray, seed: int, classes: int) -> float:
    """Accuracy (or R^2, mean over numbers, where `classes` is 0) of an MLP on the clips `asked`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = torch.from_numpy(x).float()
        taught = torch.from_numpy(~asked)
        inputs = (inputs - inputs[taught].mean(0)) / (inputs[taught].std(0) + 1e-4)
        net = nn.Sequential(nn.Linear(x.shape[1], 128), nn.GELU(), nn.Linear(128, classes or y.shape[1]))
        target = torch.from_numpy(y) if classes else torch.from_numpy(y).float()
        if not classes:
            target = (target - target[taught].mean(0)) / (target[taught].std(0) + 1e-6)
        optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
        loss_of = nn.functional.cross_entropy if classes else nn.functional.mse_loss
        for _ in range(300):
            optimiser.zero_grad()
            loss = loss_of(net(inputs[taught]), target[taught])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            said, true = net(inputs[~taught]), target[~taught]
        if classes:
            return float((said.argmax(1) == true).float().mean())
        return float((1.0 - (said - true).square().sum(0) / (true - true.mean(0)).square().sum(0)).mean())


def figures(clips: Sequence[Clip]) -> dict[str, dict[str, dict[str, float]]]:
    """For each factor and latent: the score, with shuffled labels, and what chance is."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for factor in FACTORS:
        values = [label(factor)(clip) for clip in clips]
        if factor == "envelope":
            y, classes, chance = np.stack(values), 0, 0.0
        else:
            names, y = np.unique(np.array(values), return_inverse=True)
            classes = len(names)
            chance = float(np.bincount(y).max() / len(y))
        result[factor] = {}
        for latent in LATENTS:
            x = np.stack([clip.latents[latent] for clip in clips])
            scores, floors = [], []
            for seed in SEEDS:
                asked = sides(clips, factor, seed)
                scores.append(probe(x, y, asked, seed, classes))
                mixed = y[permutation(seed, len(y), "shuffled")]
                floors.append(probe(x, mixed, asked, seed, classes))
            result[factor][latent] = {
                "score": float(np.mean(scores)), "shuffled": float(np.mean(floors)), "chance": chance,
            }  # fmt: skip
    return result


def verdicts(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, bool]:
    """Whether each latent tells its own factor (0.9 of log-mel's score) and no other (2x chance, R^2 0.1)."""
    told = {}
    for latent in LATENTS[:-1]:
        for factor in FACTORS:
            entry, ceiling = found[factor][latent], found[factor]["log-mel"]["score"]
            if factor in OWN[latent]:
                told[f"{latent} tells {factor}"] = entry["score"] >= 0.9 * ceiling
            else:
                limit = 0.1 if factor == "envelope" else 2.0 * entry["chance"]
                told[f"{latent} hides {factor}"] = entry["score"] <= limit
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    clips = gather(load_codec(asked.checkpoint), Tables.open(asked.data), asked.clips, asked.seed)
    found = figures(clips)
    if asked.json:
        print(json.dumps({"figures": found, "verdicts": verdicts(found)}))
        return
    print(f"{len(clips)} clips; score (shuffled labels), of the envelope R^2, else accuracy")
    print(f"{'':10}" + "".join(f"{latent:>20}" for latent in LATENTS) + f"{'chance':>10}")
    for factor, row in found.items():
        cells = "".join(f"{row[name]['score']:12.2f} ({row[name]['shuffled']:5.2f})" for name in LATENTS)
        print(f"{factor:10}{cells}{row['timbre']['chance']:10.2f}")
    for name, fine in verdicts(found).items():
        print(f"  {'yes' if fine else 'NO '}  {name}")


if __name__ == "__main__":
    main()
