"""The torch gain equals the NumPy gain, and its gradients agree with finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support.synthetic_dataset import make_envelope, make_phrase
from train.nn.gain import EnvelopeBatch, clip_gain, envelope_batch, gain_curve, note_batch

RATE = 44_100


def torch_and_numpy_gain(
    notes: tuple[Note, ...], envelope: Envelope, frames: int, cut: float
) -> tuple[np.ndarray, np.ndarray]:
    actual = clip_gain(
        note_batch([notes], RATE, frames),
        envelope_batch([envelope]),
        torch.arange(frames, dtype=torch.float32)[None],
        RATE,
        cut,
    )
    return actual[0].numpy(), compose.gain(notes, envelope, RATE, frames, cut)


@pytest.mark.parametrize("index", range(12))
def test_torch_gain_equals_numpy_gain(index: int) -> None:
    envelope = make_envelope(3, index)[1]
    if index % 3 != 0:
        curve = "exponential" if index % 3 == 1 else "linear_exponential"
        envelope = Envelope(
            envelope.attack_ms, envelope.decay_ms, envelope.sustain, envelope.release_ms, 0.0, curve
        )
    actual, expected = torch_and_numpy_gain(make_phrase(3, index, 3.0), envelope, 3 * RATE, 5.0)
    assert expected.max() > 0.3
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope(0.0, 0.0, 0.5, 0.0),
        Envelope(0.0, 50.0, 0.0, 10.0, 20.0),
        Envelope(500.0, 10.0, 1.0, 2000.0, 0.0, "exponential"),
        Envelope(500.0, 10.0, 1.0, 2000.0, 0.0, "linear_exponential"),
        Envelope(20.0, 100.0, 0.3, 150.0, 5.0, "1.2/-3/6.9"),
        Envelope(20.0, 100.0, 0.3, 150.0, 5.0, "-2/0/12"),
    ],
)
def test_gain_of_extreme_envelopes(envelope: Envelope) -> None:
    notes = (
        Note(0.1, 0.013, 60, 127),
        Note(0.2, 0.3, 62, 40),
        Note(0.5, 0.0004, 61, 1),
        Note(0.5006, 0.2, 60, 90),
    )
    actual, expected = torch_and_numpy_gain(notes, envelope, RATE, 5.0)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_clips_of_a_batch_are_independent() -> None:
    phrases = [make_phrase(5, index, 3.0) for index in range(4)]
    envelopes = [make_envelope(5, index)[1] for index in range(4)]
    at = torch.arange(0, 3 * RATE, 7, dtype=torch.float32).expand(4, -1)
    batched = clip_gain(note_batch(phrases, RATE, 3 * RATE), envelope_batch(envelopes), at, RATE, 5.0)
    for row, (notes, envelope) in enumerate(zip(phrases, envelopes, strict=True)):
        alone = compose.gain(notes, envelope, RATE, 3 * RATE, 5.0)[::7]
        np.testing.assert_allclose(batched[row].numpy(), alone, atol=1e-5)


def test_gradients_in_envelope_parameters_agree_with_differences() -> None:
    values = torch.tensor([20.0, 15.0, 80.0, 0.4, 60.0], dtype=torch.float64, requires_grad=True)
    times = torch.from_numpy(stream(1, "times").random(50) * 400.0)

    def total(numbers: torch.Tensor) -> torch.Tensor:
        envelope = EnvelopeBatch(*numbers.unbind(), torch.zeros((), dtype=torch.float64))
        return gain_curve(envelope, torch.tensor(250.0, dtype=torch.float64), times).sum()

    assert torch.autograd.gradcheck(total, (values,), eps=1e-6, atol=1e-4)
