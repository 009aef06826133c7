"""Measures what round trips through a codec lose.

    .venv/bin/python -m benchmarks.codec_properties --checkpoint RUN/best.safetensors --data DIR [--pairs 16]

- *reconstruction* converts clip A with nothing taken.
- *self_reference* converts A with A itself as reference, as a multiple of that. Target: at most 1.1 times.
- *swapped_back* converts A with B and B with A, then the first result with the second. That should give A.
  Target: at most 0.6 of floored MSTFT. A multiple would say nothing, since a reconstruction plays A's tones.

Levels are not matched before scoring.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from manifests.dataset.bank import Bank
from manifests.dataset.layout import Layout
from train.codec.api import Codec, load_codec
from train.data.pairs import draw_pairs
from train.evaluation.pairs import read_pair_audio
from train.metrics import score, spectral_features
from train.systems.base import Audio

METRICS = ("mstft_floored", "lrmsd_floored")


def roundtrip_scores(codec: Codec, one: Audio, other: Audio) -> dict[str, dict[str, float]]:
    """Scores three versions of the clip `one` against it, float32 [frames] each.

    Returns metric -> value for `reconstruction`, `self_reference` and `swapped_back` (with `other`).
    """
    one_with_other, other_with_one = (codec.convert(*pair).audio for pair in ((one, other), (other, one)))
    estimates = {
        "reconstruction": codec.convert(one, take=frozenset()).audio,
        "self_reference": codec.convert(one, one).audio,
        "swapped_back": codec.convert(one_with_other, other_with_one).audio,
    }
    target = spectral_features(one)
    return {name: score(spectral_features(audio), target) for name, audio in estimates.items()}


def roundtrip_means(
    codec: Codec, layout: Layout | Bank, split: str, pairs: int, seed: int
) -> dict[str, dict[str, float]]:
    """Averages the round trips' scores over pairs of a split.

    Returns for each metric the means, that of `self_reference` as a multiple of `reconstruction`.
    """
    chosen = draw_pairs(layout, split, "both", pairs, seed)
    clips = read_pair_audio(layout, chosen)
    scores = [roundtrip_scores(codec, clips[pair.source], clips[pair.reference]) for pair in chosen]
    result = {}
    for metric in METRICS:
        means = {name: float(np.mean([row[name][metric] for row in scores])) for name in scores[0]}
        result[metric] = {**means, "self_reference": means["self_reference"] / means["reconstruction"]}
    return result


def main() -> None:
    """Prints one line for each metric."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="the codec: RUN/best.safetensors")
    parser.add_argument("--data", type=Path, required=True, help="folder of a rendered dataset")
    parser.add_argument("--split", default="validation", help="split to draw pairs from")
    parser.add_argument("--pairs", type=int, default=16, help="number of pairs")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw")
    args = parser.parse_args()
    codec, layout = load_codec(args.checkpoint), Layout(args.data)
    for metric, row in roundtrip_means(codec, layout, args.split, args.pairs, args.seed).items():
        print(
            f"{metric:16} reconstruction {row['reconstruction']:.3f};"
            f" self as reference {row['self_reference']:.2f} times,"
            f" swapped and back {row['swapped_back']:.3f}"
        )


if __name__ == "__main__":
    main()
