"""What codes tell besides content: the probes of `benchmarks/probes.py` on codes, beside log-mel."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.ablated.system import Ablated
from benchmarks.probes import Clip, label, pooled, probe, sides
from manifests.dataset.clip_audio import as_float
from manifests.splits.seeds import permutation
from train.data.clips import read_clips
from train.data.tables import Tables
from train.nn.gain import envelope_batch, note_batch
from train.systems.triptych.networks.envelope_head import to_units
from train.systems.triptych.networks.features import extract_features

SEEDS = (0, 1)


@torch.no_grad()
def gather(system: Ablated, tables: Tables, count: int) -> list[Clip]:
    """`count` clips of the train split, with the mean and spread over time of codes' vectors and log-mel."""
    assert system.coder is not None
    ids = [id for block in tables.blocks("train") for id in block.ids()]
    chosen = [ids[index] for index in permutation(1, len(ids), "probes")[:count]]
    sounds = read_clips(tables.layout, [id.key for id in chosen])
    clips = []
    for id in chosen:
        heard = extract_features(torch.from_numpy(as_float(sounds[id.key]))[None], tables.rate)
        notes = note_batch([tables.sounding_notes(id.timbre, id.phrase)], tables.rate, tables.frames)
        coded = system.coder(heard, notes)
        found = {
            "codes": pooled(coded.vector_BGD[0].numpy()), "log-mel": pooled(heard.mel_BFM[0].numpy()),
        }  # fmt: skip
        envelope = to_units(envelope_batch([tables.envelopes[id.envelope]]))[0, :5].numpy()
        clips.append(Clip(id, tables.timbre_octaves[id.timbre], envelope, found))
    return clips


def leaks_of(system: Ablated, tables: Tables, count: int = 500) -> dict[str, dict[str, float]]:
    """For each factor what codes and log-mel tell of it on cells left out (accuracy; envelope: R^2)."""
    clips = gather(system, tables, count)
    told: dict[str, dict[str, float]] = {}
    for factor in ("timbre", "envelope", "phrase"):
        values = [label(factor)(clip) for clip in clips]
        if factor == "envelope":
            y, classes = np.stack(values), 0
        else:
            names, y = np.unique(np.array(values), return_inverse=True)
            classes = len(names)
        told[factor] = {"chance": float(np.bincount(y).max() / len(y)) if classes else 0.0}
        for latent in ("codes", "log-mel"):
            x = np.stack([clip.latents[latent] for clip in clips])
            scores = [probe(x, y, sides(clips, factor, seed), seed, classes) for seed in SEEDS]
            told[factor][latent] = float(np.mean(scores))
    return told
