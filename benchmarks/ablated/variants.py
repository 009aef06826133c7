"""The ablation variants, the tables that compare them, and their dataset."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

DATASET: dict[str, Any] = {
    "name": "ablations", "seed": 3,
    "timbres": [{"synth": "amsynth", "count": 36}, {"synth": "builtin", "count": 8}],
    "tones": {"lowest_pitch": 48, "highest_pitch": 79, "max_level_variation_db": 1.0},
    "envelopes": {
        "pluck": {"count": 8, "attack_ms": [10, 50], "hold_ms": [0, 20], "decay_ms": [50, 200],
                  "sustain": [0, 0.2], "release_ms": [30, 120]},
        "lead": {"count": 8, "attack_ms": [10, 100], "hold_ms": [0, 200], "decay_ms": [100, 300],
                 "sustain": [0.4, 0.8], "release_ms": [80, 300]},
    },
    "phrases": {"generated": {"count": 16}},
    "splits": {"test_timbres": 0.12, "test_envelopes": 0.25, "test_phrases": 0.25, "validation": 0.1,
               "unseen_synth": "builtin"},
    "blocks": {"timbres": 4, "envelopes": 4, "phrases": 4, "per_shard": 8},
}  # fmt: skip
SPLITS = ("validation", "test_unseen_timbre", "test_unseen_synth")


class Variant(NamedTuple):
    """A variant of the codec.

    Attributes:
        model: changes of the config's `model:`.
        altered: share of timbres that are altered in training (`data.altered`).
        system: `ablated` gets the true notes; `triptych`, the codec itself, estimates them.
    """

    model: Mapping[str, Any] = MappingProxyType({})
    altered: float = 0.0
    system: str = "ablated"


BASELINE = "codec"
"""The variant without changes."""
VECTOR: dict[str, Any] = {"profile": False}
TOKENS: dict[str, Any] = {"profile": False, "timbre_tokens": 8}
VARIANTS = {
    BASELINE: Variant(),
    "codec, notes estimated": Variant(system="triptych"),
    "notes and codes": Variant({"content": "both"}),
    "notes, Vocos": Variant({"decoder": "vocos"}),
    "codes, Vocos": Variant({"content": "codes", "decoder": "vocos"}),
    "notes and codes, Vocos": Variant({"content": "both", "decoder": "vocos"}),
    "complex filters": Variant({"decoder": "complex"}),
    "free-phase residual": Variant({"decoder": "residual"}),
    "learned latent": Variant({"gain": "latent"}),
    "vector": Variant(VECTOR),
    "vector, 8 tokens": Variant(TOKENS),
    "vector, 8 tokens, profile": Variant({"timbre_tokens": 8}),
    "vector, profile, altered": Variant(altered=0.5),
    "vector, altered": Variant(VECTOR, 0.5),
    "vector, 8 tokens, altered": Variant(TOKENS, 0.5),
    "vector, 8 tokens, profile, altered": Variant({"timbre_tokens": 8}, 0.5),
    "no sub-octave": Variant({"subharmonics": 0}),
}


class Row(NamedTuple):
    """A row of a table:

    its title, the variant's name and the condition of its scores (see `score_system`).
    """

    title: str
    variant: str
    condition: str = "ground_truth"


TABLES: dict[str, tuple[Row, ...]] = {
    "Content": (
        Row("notes (given)", BASELINE),
        Row("notes and envelope estimated", "codec, notes estimated", "recordings"),
        Row("notes (given) and codes", "notes and codes"),
        Row("notes (given), Vocos decoder", "notes, Vocos"),
        Row("codes, Vocos decoder", "codes, Vocos"),
        Row("notes (given) and codes, Vocos decoder", "notes and codes, Vocos"),
    ),
    "Decoder": (
        Row("real filters", BASELINE),
        Row("complex filters", "complex filters"),
        Row("real filters, free-phase residual", "free-phase residual"),
        Row("plain Vocos (free iSTFT)", "notes, Vocos"),
    ),
    "Timbre": (
        Row("vector and profile", BASELINE),
        Row("vector and profile, altered", "vector, profile, altered"),
        Row("vector", "vector"),
        Row("vector, altered", "vector, altered"),
        Row("vector and 8 tokens", "vector, 8 tokens"),
        Row("vector and 8 tokens, altered", "vector, 8 tokens, altered"),
        Row("vector, 8 tokens and profile", "vector, 8 tokens, profile"),
        Row("vector, 8 tokens and profile, altered", "vector, 8 tokens, profile, altered"),
    ),
    "Envelope": (
        Row("explicit gain, true numbers", BASELINE),
        Row("explicit gain, numbers estimated", BASELINE, "estimated_envelope"),
        Row("learned latent of six", "learned latent"),
    ),
    "Sub-octave": (
        Row("32 odd multiples of f0/2", BASELINE),
        Row("none", "no sub-octave"),
    ),
}
"""By title, the rows of each table. The others are compared with the first."""


def config_of(variant: Variant, steps: int, seed: int) -> dict[str, Any]:
    """Returns a run's config: the demo's sizes, `steps` steps of 8 examples, without a GAN."""
    return {
        "system": variant.system, "seed": seed, "steps": steps, "batch": 8,
        "save_every": steps, "validation_pairs": 0, "data": {"threads": 1, "altered": variant.altered},
        "optimiser": {"learning_rate": 3e-3, "warmup_steps": 10, "ema": 0.98},
        "model": {"adversarial_from": 1.0, **variant.model},
    }  # fmt: skip
