"""What a codec must not lose: a clip by itself as reference, and two clips swapped and swapped back.

    .venv/bin/python -m benchmarks.codec_properties --checkpoint RUN/best.safetensors --data DIR [--pairs 16]

Floored MSTFT to the clip, beside that of the codec's plain reconstruction: *itself* takes timbre and envelope
of the very clip (at most 1.1 times asked); *back* converts A by B and B by A, then the one result by the
other, which should give A again (at most 1.5 times asked). The better level of the two is not chosen:
nothing is matched.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from manifests.dataset.bank import Bank
from manifests.dataset.layout import Layout
from train.codec.api import Codec, load_codec
from train.data.pairs import draw_pairs
from train.evaluation.pairs import read_pairs
from train.metrics import score, spectral_features
from train.systems.base import Audio

METRICS = ("mstft_floored", "lrmsd_floored")


def distances(codec: Codec, one: Audio, other: Audio) -> dict[str, dict[str, float]]:
    """Scores of the reconstruction of `one`, of it by itself, and of it swapped with `other` and back."""
    there, back = (codec.convert(*pair).audio for pair in ((one, other), (other, one)))
    made = {
        "reconstruction": codec.convert(one, take=frozenset()).audio,
        "itself": codec.convert(one, one).audio,
        "back": codec.convert(there, back).audio,
    }
    target = spectral_features(one)
    return {name: score(spectral_features(audio), target) for name, audio in made.items()}


def ratios(
    codec: Codec, layout: Layout | Bank, split: str, pairs: int, seed: int
) -> dict[str, dict[str, float]]:
    """Means over pairs of each metric: of the reconstruction, and the others' as multiples of it."""
    chosen = draw_pairs(layout, split, "both", pairs, seed)
    clips = read_pairs(layout, chosen)
    found = [distances(codec, clips[pair.source], clips[pair.reference]) for pair in chosen]
    result = {}
    for metric in METRICS:
        means = {name: float(np.mean([row[name][metric] for row in found])) for name in found[0]}
        base = means["reconstruction"]
        result[metric] = {
            "reconstruction": base, "itself": means["itself"] / base, "back": means["back"] / base,
        }  # fmt: skip
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    found = ratios(load_codec(asked.checkpoint), Layout(asked.data), asked.split, asked.pairs, asked.seed)
    for metric, row in found.items():
        print(
            f"{metric:16} reconstruction {row['reconstruction']:.3f};"
            f" itself as reference {row['itself']:.2f} times, swapped and back {row['back']:.2f} times"
        )


if __name__ == "__main__":
    main()
