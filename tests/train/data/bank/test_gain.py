"""Gain curves of the bank, note by note and vectorised: stored vectors and extreme envelopes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support import scalar_compose
from train.data.bank.format import ClipFormat
from train.data.bank.gain import gain_per_note, gain_vectorised
from train.nn.gain import envelope_batch, note_batch

CASES = json.loads(scalar_compose.VECTORS.read_text())


def gains(
    notes: tuple[Note, ...], envelopes: list[Envelope], format: ClipFormat
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the gains [E, F] of a phrase under some envelopes by both algorithms."""
    where = compose.spans(notes, format.rate, format.frames)
    rows = np.full((len(envelopes), format.frames), np.nan, dtype=np.float32)
    gain_per_note(notes, where, envelopes, format, rows)
    batch, at = note_batch([notes], format.rate, format.frames), torch.arange(float(format.frames))
    index = torch.searchsorted(batch.onset_BN, at[None].contiguous(), right=True) - 1
    vectorised = gain_vectorised(batch, envelope_batch(envelopes), index.clamp(min=0), at, format)[0]
    vectorised[:, : where[0].onset] = 0.0
    return rows, vectorised.numpy()


@pytest.mark.parametrize("case", CASES)
def test_the_stored_vectors_pass_in_torch(case: dict) -> None:
    notes = tuple(Note(on, duration, int(p), int(v)) for on, duration, p, v in case["notes"])
    format = ClipFormat(case["rate"], case["frames"], 29204, case["cut_fade_ms"])
    other = Envelope(3.0, 20.0, 0.2, 50.0, 0.0, "exponential")
    for envelopes in ([Envelope(**case["envelope"])], [other, Envelope(**case["envelope"])]):
        for made in gains(notes, envelopes, format):
            np.testing.assert_allclose(made[-1], case["gain"], atol=2e-6)


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope(0.0, 0.0, 0.5, 0.0),
        Envelope(0.0, 50.0, 0.0, 10.0, 20.0),
        Envelope(500.0, 10.0, 1.0, 2000.0, 0.0, "exponential"),
        Envelope(500.0, 10.0, 1.0, 2000.0, 0.0, "linear_exponential"),
        Envelope(0.01, 0.01, 0.3, 0.01),
    ],
)
def test_gains_of_extreme_envelopes(envelope: Envelope) -> None:
    notes = (
        Note(0.1, 0.013, 60, 127), Note(0.2, 0.3, 62, 40), Note(0.5, 0.000001, 61, 1),
        Note(0.5006, 0.2, 60, 90), Note(0.95, 0.05, 60, 90),
    )  # fmt: skip
    format = ClipFormat(44_100, 44_100, 29204, 5.0)
    expected = compose.gain(notes, envelope, 44_100, 44_100, 5.0)
    for made in gains(notes, [envelope], format):
        np.testing.assert_allclose(made[0], expected, atol=2e-5)
