"""Random envelopes, phrases and steady timbres for tests of the envelope estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manifests.estimation.estimate import EnvelopeEstimate
from manifests.splits.seeds import stream
from manifests.synthesis.compose import dry, gain, peak_value, to_int16
from manifests.types import Curve, Envelope, Notes
from midi.generate import GenerateSpec, Observability, generate_phrase

RATE = 44_100
SECONDS = 3.0
FRAMES = int(SECONDS * RATE)
CUT_MS = 3.0
F64 = npt.NDArray[np.float64]
I16 = npt.NDArray[np.int16]

FAMILIES: dict[str, dict[str, tuple[float, float]]] = {
    "pluck": {
        "attack": (10, 50),
        "hold": (0, 20),
        "decay": (50, 200),
        "sustain": (0, 0.2),
        "release": (30, 120),
    },
    "lead": {
        "attack": (10, 100),
        "hold": (0, 200),
        "decay": (100, 300),
        "sustain": (0.4, 0.8),
        "release": (80, 300),
    },
}


def additive(amplitude: Callable[[int], float], top: int) -> Callable[[F64], F64]:
    """Returns one period as a function of phase 0..1: harmonics 1..top with the given amplitudes."""
    return lambda x: sum(
        (amplitude(k) * np.sin(2 * np.pi * k * x) for k in range(1, top + 1)), np.zeros_like(x)
    )


SHAPES: dict[str, Callable[[F64], F64]] = {
    "sine": lambda x: np.asarray(np.sin(2 * np.pi * x)),
    "saw": additive(lambda k: 1 / k / np.hypot(1.0, (k / 9) ** 2), 20),
    "square": additive(lambda k: (k % 2) / k, 19),
    "fm": lambda x: np.asarray(np.sin(2 * np.pi * x + 2.5 * np.sin(4 * np.pi * x + 0.7))),
    "sub": additive(lambda k: (0.1, 1.0, 0.0, 0.5, 0.2)[k - 1], 5),
}
"""Steady timbres; `sub` has hardly any fundamental, `fm` has an integer ratio."""


@lru_cache(maxsize=1024)
def steady_tone(shape: str, octave: int, pitch: int) -> tuple[I16, float]:
    """Returns a steady tone as long as the clip, read from a table of one period."""
    table = SHAPES[shape](np.arange(8192) / 8192)
    frequency = 440.0 * 2 ** ((pitch + 12 * octave - 69) / 12)
    phase = np.arange(FRAMES) * (frequency / RATE)
    samples = table[(phase % 1.0 * 8192).astype(np.int64) & 8191]
    return np.rint(samples / np.abs(table).max() * 30_000).astype(np.int16), 1 / 32_767


def compose_clip(envelope: Envelope, notes: Notes, tones: Mapping[int, tuple[I16, float]]) -> F64:
    """Composes a clip and returns it as decoded, re full scale 1."""
    sound = gain(notes, envelope, RATE, FRAMES, CUT_MS) * dry(notes, tones, RATE, FRAMES)
    return to_int16(sound, peak_value(-1.0))[0] / 32_768


def steady_clip(envelope: Envelope, notes: Notes, shape: str = "saw", octave: int = 0) -> F64:
    """Composes a clip on a steady timbre."""
    return compose_clip(
        envelope, notes, {note.pitch: steady_tone(shape, octave, note.pitch) for note in notes}
    )


def draw_pair(index: int, spec: GenerateSpec, curve: Curve = "linear") -> tuple[Envelope, Notes]:
    """Draws envelope and phrase number `index`, the families in turn."""
    rng = stream(2, "estimate", index)
    ranges = FAMILIES[("pluck", "lead")[index % 2]]
    attack, hold, decay, sustain, release = (
        low + (high - low) * rng.random() for low, high in ranges.values()
    )
    notes = generate_phrase(2, index, spec, SECONDS, Observability(600.0, 300.0))
    return Envelope(attack, decay, sustain, release, hold, curve), notes


def random_case(index: int, curve: Curve = "linear") -> tuple[Envelope, Notes, F64]:
    """Draws case number `index`: a timbre, and an octave shift of -1, 0 or 1."""
    envelope, notes = draw_pair(index, GenerateSpec(), curve)
    rng = stream(2, "timbre", index)
    shape = sorted(SHAPES)[int(rng.random() * len(SHAPES))]
    return envelope, notes, steady_clip(envelope, notes, shape, int(rng.random() * 3) - 1)


def is_near(actual: float, expected: float) -> bool:
    """Returns whether two times agree within 3 ms or 5%, whichever is larger."""
    return abs(actual - expected) <= max(3.0, 0.05 * expected)


def check_estimate(estimate: EnvelopeEstimate, expected: Envelope) -> None:
    """Checks attack and release within 3 ms or 5%, and sustain within 0.5 dB where above 0.05."""
    actual = estimate.envelope
    assert estimate.attack_seen
    assert estimate.sustain_seen
    assert estimate.decay_seen
    assert is_near(actual.attack_ms, expected.attack_ms), (actual, expected)
    if expected.sustain > 0.004:
        assert estimate.release_seen
    if estimate.release_seen:
        assert is_near(actual.release_ms, expected.release_ms), (actual, expected)
    if expected.sustain > 0.05:
        assert abs(20 * np.log10(actual.sustain / expected.sustain)) <= 0.5, (actual, expected)
