"""Metrics of envelope, timbre and pitch against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.splits.seeds import stream
from manifests.types import Envelope, Note
from train.metrics import crepe
from train.metrics.envelope import gain_db, gain_error_db
from train.metrics.features import AudioFeatures
from train.metrics.measurement import GroundTruth, compare, measure, measure_target
from train.metrics.timbre import TimbreFeatures, embedding_distance, measure_timbre, mfcc_distance

RATE = 44_100
NOTES = (Note(0.0, 0.8, 57, 100), Note(1.2, 0.8, 57, 100))


def corners(time_ms: np.ndarray, gate_ms: float, envelope: Envelope) -> np.ndarray:
    """Returns a linear envelope on one note, drawn through its corners."""
    e = envelope
    ends = np.cumsum([e.attack_ms, e.hold_ms, e.decay_ms])
    assert ends[-1] < gate_ms
    x = [0.0, *ends, gate_ms, gate_ms + e.release_ms]
    return np.asarray(np.interp(time_ms, x, [0.0, 1.0, 1.0, e.sustain, e.sustain, 0.0], right=0.0))


def error_by_hand(a: Envelope, b: Envelope) -> float:
    """Returns the mean difference in dB over 500 ms of gate and 500 ms of tail, floored at -60 dB."""
    time = np.arange(1000) + 0.5
    levels = [20.0 * np.log10(np.maximum(corners(time, 500.0, e), 1e-3)) for e in (a, b)]
    return float(np.mean(np.abs(levels[0] - levels[1])))


def shaped(envelope: Envelope, level: float = 0.3) -> np.ndarray:
    """Returns two steady tones of 0.8 s (220 Hz, eight harmonics) with a known gain, 2.4 s in all."""
    time = np.arange(round(2.4 * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 220.0 * k * time + k) / k for k in range(1, 9))
    gain = sum(corners(1000.0 * (time - n.onset), 1000.0 * n.duration, envelope) for n in NOTES)
    return np.asarray(level * gain * tone / np.max(np.abs(tone)))


PLUCK = Envelope(attack_ms=10, decay_ms=120, sustain=0.25, release_ms=60)
LEAD = Envelope(attack_ms=70, hold_ms=30, decay_ms=200, sustain=0.6, release_ms=220)
ORGAN = Envelope(attack_ms=5, decay_ms=0.5, sustain=1.0, release_ms=30)


@pytest.mark.parametrize(("a", "b"), [(PLUCK, LEAD), (LEAD, ORGAN), (ORGAN, PLUCK)])
def test_the_gain_curve_error_is_that_of_the_curves_drawn_by_hand(a: Envelope, b: Envelope) -> None:
    time = np.arange(1000) + 0.5
    by_hand = 20.0 * np.log10(np.maximum(corners(time, 500.0, a), 1e-3))
    np.testing.assert_allclose(gain_db(a), by_hand, atol=1e-9)
    assert gain_error_db(a, b) == pytest.approx(error_by_hand(a, b), rel=1e-9)


@pytest.mark.parametrize(("made", "target"), [(PLUCK, LEAD), (LEAD, PLUCK), (ORGAN, LEAD)])
def test_measured_envelope_errors_equal_those_by_hand(made: Envelope, target: Envelope) -> None:
    measured_target = measure_target(AudioFeatures(shaped(target), RATE), GroundTruth(NOTES, target))
    measured = compare(measure(AudioFeatures(shaped(made), RATE), NOTES, 5.0), measured_target)
    assert measured["envelope_db"] == pytest.approx(error_by_hand(made, target), abs=0.2)
    assert measured["attack_ms"] == pytest.approx(abs(made.attack_ms - target.attack_ms), abs=3.0)
    if made is ORGAN:
        assert np.isnan(measured["decay_ms"]), "it has none: a failure"
    else:
        fall = made.hold_ms + made.decay_ms - target.hold_ms - target.decay_ms
        assert measured["decay_ms"] == pytest.approx(abs(fall), abs=6.0)
    assert measured["sustain_db"] == pytest.approx(20 * abs(np.log10(made.sustain / target.sustain)), abs=0.1)
    assert measured["release_ms"] == pytest.approx(abs(made.release_ms - target.release_ms), abs=6.0)


def test_a_correct_envelope_has_no_error_at_any_level() -> None:
    target = measure_target(AudioFeatures(shaped(LEAD), RATE), GroundTruth(NOTES, LEAD))
    same = compare(measure(AudioFeatures(shaped(LEAD, level=0.03), RATE), NOTES, 5.0), target)
    assert same["envelope_db"] < 0.15
    assert same["loudness_lu"] == pytest.approx(20.0, abs=1e-9), "0.3 is ten times 0.03: 20 dB"


@pytest.mark.parametrize(("turns", "depth_db"), [(1, 3.0), (2, 3.0), (5, 1.0)])
def test_a_spectrum_bent_by_a_cosine_over_the_mel_scale_is_one_cepstral_coefficient(
    turns: int, depth_db: float
) -> None:
    """Noise, and the same filtered by depth * cos(pi * turns * band / 80) dB: one coefficient of 13 moves, by
    depth * sqrt(80 / 2), so that the distance is depth * sqrt(40 / 13)."""
    noise = stream(3, "noise").random(3 * RATE) - 0.5
    spectrum = np.fft.rfft(noise)
    mel = 2595.0 * np.log10(1.0 + np.fft.rfftfreq(len(noise), 1 / RATE) / 700.0)
    low, high = (2595.0 * np.log10(1.0 + hertz / 700.0) for hertz in (40.0, 16_000.0))
    place = np.clip((mel - low) / (high - low) * 81.0 - 0.5, 0.0, 80.0)  # band b is centred at b + 0.5
    bent = np.fft.irfft(spectrum * 10.0 ** (depth_db * np.cos(np.pi * turns * place / 80.0) / 20.0))
    one, other = measure_timbre(noise, RATE), measure_timbre(bent, RATE)
    assert one is not None
    assert other is not None
    assert mfcc_distance(one, other) == pytest.approx(depth_db * np.sqrt(40.0 / 13.0), rel=0.03)


def test_the_embedding_distance_is_one_minus_the_cosine() -> None:
    def at(degrees: float) -> TimbreFeatures:
        turn = np.radians(degrees)
        return TimbreFeatures(np.zeros(13), np.array([np.cos(turn), np.sin(turn)]))

    distances = [embedding_distance(at(0), at(degrees)) for degrees in (0, 60, 90, 180)]
    assert distances == pytest.approx([0.0, 0.5, 1.0, 2.0], abs=1e-12)


def network(seed: int) -> dict[str, torch.Tensor]:
    """Returns CREPE's tiny network with random weights."""
    draw = torch.Generator().manual_seed(seed)
    sizes = [(128, 1, 512), (16, 128, 64), (16, 16, 64), (16, 16, 64), (32, 16, 64), (64, 32, 64)]
    found = {}
    for layer, (out, into, taps) in enumerate(sizes, start=1):
        found[f"conv{layer}.weight"] = torch.randn(out, into, taps, 1, generator=draw) / (into * taps) ** 0.5
        found[f"conv{layer}.bias"] = torch.zeros(out)
        for name, value in (("running_mean", 0.0), ("running_var", 1.0), ("weight", 1.0), ("bias", 0.0)):
            found[f"conv{layer}_BN.{name}"] = torch.full((out,), value)
    found["classifier.weight"] = torch.randn(360, 256, generator=draw) / 16
    found["classifier.bias"] = torch.zeros(360)
    return found


def test_crepes_track_does_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only metric in torch: its track is the same for any number of CPU threads."""
    weights, sound, before = network(1), shaped(LEAD)[:RATE], torch.get_num_threads()
    monkeypatch.setattr(crepe, "_weights", lambda: weights)
    tracks = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        tracks.append(crepe.crepe_track(sound, RATE))
    torch.set_num_threads(before)
    np.testing.assert_array_equal(tracks[0].midi, tracks[1].midi)
    np.testing.assert_array_equal(tracks[0].voiced, tracks[1].voiced)
