"""The envelope that was asked for is the envelope that is heard: found again from audio and note times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pytest

from manifests.compose import dry, gain, peak_value, to_int16
from manifests.estimate import EnvelopeEstimate, estimate_envelope, measure_gain
from manifests.seeds import stream
from manifests.vocabulary import BadInput, Curve, Envelope, Note, Notes
from midi.generate import GenerateSpec, Observability, generate_phrase

RATE = 44_100
SECONDS = 3.0
CUT_MS = 3.0
F64 = npt.NDArray[np.float64]

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
    """One period as a function of phase 0..1: harmonics 1..top with the amplitudes given."""
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
def tone(shape: str, octave: int, pitch: int) -> tuple[npt.NDArray[np.int16], float]:
    """A steady tone as long as the clip, read from a table of one period."""
    table = SHAPES[shape](np.arange(8192) / 8192)
    frequency = 440.0 * 2 ** ((pitch + 12 * octave - 69) / 12)
    phase = np.arange(int(SECONDS * RATE)) * (frequency / RATE)
    samples = table[(phase % 1.0 * 8192).astype(np.int64) & 8191]
    return np.rint(samples / np.abs(table).max() * 30_000).astype(np.int16), 1 / 32_767


def clip(envelope: Envelope, notes: Notes, shape: str = "saw", octave: int = 0) -> F64:
    """The clip as it would be decoded, re full scale 1."""
    tones = {note.pitch: tone(shape, octave, note.pitch) for note in notes}
    frames = int(SECONDS * RATE)
    sound = gain(notes, envelope, RATE, frames, CUT_MS) * dry(notes, tones, RATE, frames)
    return to_int16(sound, peak_value(-1.0))[0] / 32_768


def case(index: int, curve: Curve = "linear") -> tuple[Envelope, Notes, F64]:
    """Random case `index`: families in turn, any timbre, an octave lower, as written or higher."""
    rng = stream(2, "estimate", index)
    ranges = FAMILIES[("pluck", "lead")[index % 2]]
    attack, hold, decay, sustain, release = (
        low + (high - low) * rng.random() for low, high in ranges.values()
    )
    notes = generate_phrase(2, index, GenerateSpec(), SECONDS, Observability(600.0, 300.0))
    shape = sorted(SHAPES)[int(rng.random() * len(SHAPES))]
    envelope = Envelope(attack, decay, sustain, release, hold, curve)
    return envelope, notes, clip(envelope, notes, shape, int(rng.random() * 3) - 1)


def near(found: float, asked: float) -> bool:
    """Within 3 ms or 5%, whichever is larger."""
    return abs(found - asked) <= max(3.0, 0.05 * asked)


def check(estimate: EnvelopeEstimate, asked: Envelope) -> None:
    found = estimate.envelope
    assert estimate.attack_seen
    assert estimate.sustain_seen
    assert estimate.decay_seen
    assert near(found.attack_ms, asked.attack_ms), (found, asked)
    if asked.sustain > 0.004:
        assert estimate.release_seen
    if estimate.release_seen:
        assert near(found.release_ms, asked.release_ms), (found, asked)
    if asked.sustain > 0.05:
        assert abs(20 * np.log10(found.sustain / asked.sustain)) <= 0.5, (found, asked)


@pytest.mark.parametrize("part", range(8))
def test_200_random_envelopes_are_found_again(part: int) -> None:
    for index in range(part, 200, 8):
        asked, notes, sound = case(index)
        estimate = estimate_envelope(sound, notes, RATE, CUT_MS)
        check(estimate, asked)
        assert estimate.residual < 0.03


def test_the_curve_is_told_from_the_sound() -> None:
    for index in range(6):
        for curve in ("linear", "exponential"):
            asked, notes, sound = case(index, curve)
            estimate = estimate_envelope(sound, notes, RATE, CUT_MS, curve=None)
            assert estimate.envelope.curve == curve
            check(estimate, asked)


def test_only_note_times_are_used() -> None:
    _, notes, sound = case(3)
    told = estimate_envelope(sound, notes, RATE, CUT_MS)
    untold = tuple(replace(note, pitch=60, velocity=1) for note in notes)
    assert estimate_envelope(sound, untold, RATE, CUT_MS) == told


def test_noise_at_60_db_below_full_scale_is_borne() -> None:
    for index in range(4):
        asked, notes, sound = case(index)
        noise = 1e-3 * (stream(0, "noise", index).random(len(sound)) - 0.5) * 12**0.5
        check(estimate_envelope(sound + noise, notes, RATE, CUT_MS), asked)


def test_what_is_not_to_be_heard_is_flagged() -> None:
    envelope = Envelope(20.0, 80.0, 0.5, 150.0)
    legato = tuple(Note(0.5 * k, 0.5, 60 + k, 100) for k in range(6))
    estimate = estimate_envelope(clip(envelope, legato), legato, RATE, CUT_MS)
    assert not estimate.release_seen
    assert estimate.attack_seen
    assert estimate.sustain_seen

    short = tuple(Note(0.5 * k, 0.06, 60, 100) for k in range(6))
    estimate = estimate_envelope(clip(envelope, short), short, RATE, CUT_MS)
    assert not estimate.sustain_seen
    assert not estimate.decay_seen
    assert estimate.release_seen
    assert near(estimate.envelope.attack_ms, 20.0)
    assert near(estimate.envelope.release_ms, 150.0)

    held = (Note(0.0, 2.0, 60, 100),)
    organ = Envelope(20.0, 0.0, 1.0, 150.0)
    estimate = estimate_envelope(clip(organ, held), held, RATE, CUT_MS)
    assert not estimate.decay_seen
    assert near(estimate.envelope.attack_ms, 20.0)
    assert near(estimate.envelope.release_ms, 150.0)


def test_the_level_is_the_loudest_notes() -> None:
    notes = (Note(0.0, 0.5, 69, 64), Note(1.0, 1.0, 69, 127))
    sound = clip(Envelope(10.0, 50.0, 0.5, 100.0, hold_ms=50.0), notes, "sine")
    estimate = estimate_envelope(sound, notes, RATE, CUT_MS)
    assert estimate.level_db == pytest.approx(-1.0 - 3.01, abs=0.1)


def test_measure_gain_is_the_rms_at_its_time() -> None:
    time = np.arange(2 * RATE) / RATE
    sound = np.where(time < 1.0, 0.0, 0.5 * np.sin(2 * np.pi * 500.0 * time))
    curve = measure_gain(sound, RATE)
    assert np.allclose(curve.level[curve.time_s > 1.02][:-10], 0.5 / 2**0.5, rtol=0.01)
    assert np.all(curve.level[curve.time_s < 0.98] == 0.0)
    half_way = curve.time_s[np.flatnonzero(curve.level >= 0.5 / 2)[0]]
    assert half_way == pytest.approx(1.0, abs=0.003)


def test_bad_input_is_refused() -> None:
    _, notes, sound = case(0)
    for wrong, played, says in (
        (np.zeros(RATE * 3), notes, "silent"),
        (sound, (), "no note"),
        (sound, (Note(5.0, 1.0, 60, 90),), "no note"),
        (np.full(RATE * 3, np.nan), notes, "finite"),
        (np.stack([sound, sound]), notes, "frames"),
    ):
        with pytest.raises(BadInput, match=says) as caught:
            estimate_envelope(wrong, played, RATE, CUT_MS)
        assert "\n" not in str(caught.value)
