"""Fresh notes and envelopes: equal to the renderer's, and away from the held-out ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from manifests.splits.clusters import envelope_clusters
from manifests.splits.seeds import stream
from manifests.synthesis.octaves import median_pitch, octave_of
from manifests.types import Envelope
from midi import generate
from midi.spec import SCALES, GenerateSpec, Observability
from render.config import Family
from train.data.bank.families import DRAWS, FIELDS, GRIDS, EnvelopeFamilies, near_any
from train.data.bank.melodies import HeldOutPhrases, Melodies, to_phrases
from train.nn.counter_rng import uniforms

CPU = torch.device("cpu")
SECONDS = 3.0
OBSERVE = Observability(600.0, 300.0)
FAMILIES: dict[str, dict[str, Any]] = {
    "lead": {
        "count": 1, "attack_ms": [10, 100], "hold_ms": [0, 200], "decay_ms": [100, 300],
        "sustain": [0.4, 0.8], "release_ms": [80, 300],
    },
    "pluck": {
        "count": 3, "attack_ms": [10, 50], "decay_ms": [50, 200], "sustain": [0, 0.2],
        "release_ms": [30, 120], "curve": "exponential",
    },
}  # fmt: skip
SPECS: list[tuple[dict[str, Any], float, Observability]] = [
    ({}, SECONDS, OBSERVE),
    ({"notes": (2, 20), "grid_s": 0.1, "legato": 0.3, "velocity": (1, 127)}, 4.0, Observability(200.0, 50.0)),
    ({"register": (-2, 1), "staccato": 0.5, "repeats": 0.4, "notes": (4, 9)}, SECONDS, OBSERVE),
    ({"staccato": 1.0, "notes": (2, 20), "grid_s": 0.1}, 4.0, Observability(20.0, 50.0)),
    ({"notes": (3, 4), "grid_s": 0.3, "legato": 1.0, "scales": ("minor_pentatonic",)}, 3.1, OBSERVE),
]


def described(spec: GenerateSpec, observe: Observability) -> dict[str, Any]:
    """Returns the spec as bank.json stores it."""
    return {
        **spec.model_dump(mode="json"),
        "scales": [list(SCALES[name]) for name in spec.scales],
        "longest_settle_ms": observe.longest_settle_ms,
        "longest_release_ms": observe.longest_release_ms,
    }


@pytest.mark.parametrize(("changes", "seconds", "observe"), SPECS)
def test_phrases_equal_the_renderers_for_the_same_random_numbers(
    changes: dict[str, Any], seconds: float, observe: Observability
) -> None:
    spec = GenerateSpec(**changes)
    melodies = Melodies(described(spec, observe), seconds, CPU)
    count = 300
    numbers = np.stack([stream(5, "phrase", i, 0).random(melodies.draws) for i in range(count)])
    styles = np.stack([stream(5, "style", i, 0).random(melodies.style_draws) for i in range(count)])
    notes, counts, inside = melodies.draw(torch.from_numpy(numbers), torch.from_numpy(styles))
    made = to_phrases(notes, counts)
    assert len({len(phrase) for phrase in made}) > 1
    for index in range(count):
        expected, is_inside = generate._draw(5, index, 0, spec, seconds, observe)
        assert [(n.pitch, n.velocity) for n in made[index]] == [(n.pitch, n.velocity) for n in expected]
        times = [[(n.onset, n.off) for n in notes] for notes in (made[index], expected)]
        np.testing.assert_allclose(*times, rtol=0, atol=1e-9)
        assert bool(inside[index]) == is_inside
        assert spec.registers[0] <= octave_of(median_pitch(made[index])) <= spec.registers[1]
    assert inside.float().mean() > 0.8


def families() -> tuple[dict[str, Family], EnvelopeFamilies]:
    configured = {name: Family.model_validate(of) for name, of in FAMILIES.items()}
    return configured, EnvelopeFamilies(
        {name: of.model_dump(mode="json") for name, of in configured.items()}, CPU
    )


def test_envelopes_come_from_the_families_on_the_renderers_grid() -> None:
    configured, batched = families()
    value, family = batched.draw(uniforms(3, 4000, DRAWS, CPU))
    made = batched.envelopes(value, family)
    assert 0.2 < np.mean([e.curve == "linear" for e in made]) < 0.3
    for envelope in made:
        of = configured["lead" if envelope.curve == "linear" else "pluck"]
        for field, step in zip(FIELDS, GRIDS, strict=True):
            number, bounds = float(getattr(envelope, field)), getattr(of, field)
            assert bounds.low <= number <= bounds.high
            assert abs(number / step - round(number / step)) < 1e-6
            assert number == round(number, 6)
    attacks = [e.attack_ms for e in made if e.curve == "linear"]
    assert min(attacks) < 12.0
    assert max(attacks) > 98.0
    assert np.mean(attacks) == pytest.approx(55.0, abs=3.0)


def test_envelopes_near_held_out_ones_are_detected() -> None:
    _, batched = families()
    value, _ = batched.draw(uniforms(4, 600, DRAWS, CPU))
    tests = [Envelope(30.0, 100.0, 0.1, 60.0), Envelope(50.0, 200.0, 0.6, 200.0, 100.0)]
    close = value.clone()
    close[0] = torch.tensor([30.8, 0.9, 102.9, 0.109, 60.5], dtype=torch.float64)
    close[1] = torch.tensor([31.2, 0.0, 100.0, 0.1, 60.0], dtype=torch.float64)
    is_near = near_any(close, tests)
    assert is_near[:2].tolist() == [True, False]
    # The rule is that of the clusters.
    linear = [Envelope(*(float(x) for x in (row[0], row[2], row[3], row[4], row[1]))) for row in close[:200]]
    for index, envelope in enumerate(linear):
        clusters = envelope_clusters([*tests, envelope])
        assert bool(is_near[index]) == (clusters[2] in clusters[:2])
    assert not near_any(value, []).any()


def test_held_out_phrases_are_detected_in_any_key_and_shifted() -> None:
    spec = described(GenerateSpec(), OBSERVE)
    melodies = Melodies(spec, SECONDS, CPU)
    notes, counts, _ = melodies.draw(
        uniforms(9, 50, melodies.draws, CPU), uniforms(10, 50, melodies.style_draws, CPU)
    )
    unseen = HeldOutPhrases(to_phrases(notes, counts)[:3], notes.shape[1], CPU)
    moved = notes.clone()
    moved[..., 2] += 5.0
    moved[..., :2] += 0.21
    moved[:, 1, :2] += 0.02
    assert unseen.matches(moved, counts).tolist() == [True] * 3 + [False] * 47
    moved[:, 1, 1] += 0.02
    assert not unseen.matches(moved, counts).any()
    moved = notes.clone()
    moved[:, 2, 2] += 1.0
    assert not unseen.matches(moved, counts).any()
