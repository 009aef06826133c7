"""Measures with the probes of `benchmarks/probes.py` what codes reveal besides content, beside log-mel."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.ablated.system import AblatedCodec
from benchmarks.probes import ProbeClip, fit_probe, held_out_mask, label_of, pool_over_time
from manifests.dataset.clip_audio import as_float
from manifests.splits.seeds import permutation
from train.data.clips import read_clips
from train.data.tables import Tables
from train.nn.gain import envelope_batch, note_batch
from train.systems.triptych.networks.envelope_head import to_units
from train.systems.triptych.networks.features import extract_features

SEEDS = (0, 1)


@torch.no_grad()
def collect_code_latents(system: AblatedCodec, tables: Tables, count: int) -> list[ProbeClip]:
    """Reads `count` clips of the train split, with code vectors and log-mel pooled over time."""
    assert system.coder is not None
    ids = [id for block in tables.blocks("train") for id in block.ids()]
    chosen = [ids[index] for index in permutation(1, len(ids), "probes")[:count]]
    sounds = read_clips(tables.layout, [id.key for id in chosen])
    clips = []
    for id in chosen:
        features = extract_features(torch.from_numpy(as_float(sounds[id.key]))[None], tables.rate)
        notes = note_batch([tables.sounding_notes(id.timbre, id.phrase)], tables.rate, tables.frames)
        codes = system.coder(features, notes)
        latents = {
            "codes": pool_over_time(codes.vector_BGD[0].numpy()),
            "log-mel": pool_over_time(features.mel_BFM[0].numpy()),
        }
        envelope = to_units(envelope_batch([tables.envelopes[id.envelope]]))[0, :5].numpy()
        clips.append(ProbeClip(id, tables.timbre_octaves[id.timbre], envelope, latents))
    return clips


def probe_codes(system: AblatedCodec, tables: Tables, count: int = 500) -> dict[str, dict[str, float]]:
    """Predicts each factor from codes and from log-mel on held-out cells.

    Returns for each factor the scores of `codes` and `log-mel` (accuracy; R^2 for the envelope) and `chance`.
    """
    clips = collect_code_latents(system, tables, count)
    result: dict[str, dict[str, float]] = {}
    for factor in ("timbre", "envelope", "phrase"):
        values = [label_of(clip, factor) for clip in clips]
        if factor == "envelope":
            y, classes = np.stack(values), 0
        else:
            names, y = np.unique(np.array(values), return_inverse=True)
            classes = len(names)
        result[factor] = {"chance": float(np.bincount(y).max() / len(y)) if classes else 0.0}
        for latent in ("codes", "log-mel"):
            x = np.stack([clip.latents[latent] for clip in clips])
            scores = [fit_probe(x, y, held_out_mask(clips, factor, seed), seed, classes) for seed in SEEDS]
            result[factor][latent] = float(np.mean(scores))
    return result
