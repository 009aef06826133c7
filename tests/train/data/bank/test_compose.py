"""Composing in torch: the stored vectors, the rendered clips, tones between and beyond those of the bank."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.dataset.bank import Bank
from manifests.synthesis import compose
from manifests.types import SPLITS, Envelope, InputError, Note
from tests.support import scalar_compose
from tests.support.training.tone_bank import sines
from train.data.bank.clips import clip_format
from train.data.bank.compose import ClipFormat, compose_block
from train.data.bank.gain import gain_rows, gain_whole
from train.data.bank.tones import Tones
from train.data.blocks import read_clips
from train.data.tables import Tables
from train.nn.gain import envelope_batch, note_batch

CPU = torch.device("cpu")
CASES = json.loads(scalar_compose.VECTORS.read_text())
BELOW_60_DB = 1e-3


def gains(
    notes: tuple[Note, ...], envelopes: list[Envelope], format: ClipFormat
) -> tuple[np.ndarray, np.ndarray]:
    """The gain of a phrase under some envelopes, [E, F], both ways."""
    where = compose.spans(notes, format.rate, format.frames)
    rows = np.full((len(envelopes), format.frames), np.nan, dtype=np.float32)
    gain_rows(notes, where, envelopes, format, rows)
    batch, at = note_batch([notes], format.rate, format.frames), torch.arange(float(format.frames))
    index = torch.searchsorted(batch.onset_BN, at[None].contiguous(), right=True) - 1
    whole = gain_whole(batch, envelope_batch(envelopes), index.clamp(min=0), at, format)[0]
    whole[:, : where[0].onset] = 0.0
    return rows, whole.numpy()


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
        Envelope(0.01, 0.01, 0.3, 0.01),
    ],
)
def test_gains_at_the_edges_of_what_envelopes_may_be(envelope: Envelope) -> None:
    notes = (
        Note(0.1, 0.013, 60, 127), Note(0.2, 0.3, 62, 40), Note(0.5, 0.000001, 61, 1),
        Note(0.5006, 0.2, 60, 90), Note(0.95, 0.05, 60, 90),
    )  # fmt: skip
    format = ClipFormat(44_100, 44_100, 29204, 5.0)
    expected = compose.gain(notes, envelope, 44_100, 44_100, 5.0)
    for made in gains(notes, [envelope], format):
        np.testing.assert_allclose(made[0], expected, atol=2e-5)


def test_clips_of_the_bank_are_the_rendered_clips(banked: Path, bank: Bank) -> None:
    layout = Tables.open(banked).layout
    keys = [key for split in SPLITS for key in layout.read_clips(split).column("key").to_pylist()[::5]]
    theirs, ours = (read_clips(where, keys) for where in (layout, bank))
    for key in keys:
        assert ours[key].dtype == np.int16
        assert np.abs(ours[key].astype(int) - theirs[key]).max() <= 2, "60 dB below the peak would be 29"


def test_both_ways_of_composing_agree(bank: Bank) -> None:
    tables, format = Tables.open(bank.root), clip_format(bank)
    tones = Tones.load(bank, tables.train_timbres, CPU)
    block = (tones, tables.train_timbres[:2], tables.phrases[:3], tables.envelopes[1:5], format)
    rows, whole = (compose_block(*block, whole=way) for way in (False, True))
    assert rows.pcm_TPEF.shape == (2, 3, 4, format.frames)
    assert (rows.pcm_TPEF.int() - whole.pcm_TPEF.int()).abs().max() <= 2
    torch.testing.assert_close(rows.gain_TPE, whole.gain_TPE, rtol=1e-5, atol=0)
    assert rows.pcm_TPEF.int().abs().amax(-1).eq(format.peak).all()


@pytest.mark.parametrize("whole", [False, True])
def test_pitches_between_tones_are_read_by_a_windowed_sinc(whole: bool) -> None:
    tones = sines(3, 2.0)
    notes = tuple(Note(0.2 * n, 0.2, pitch, 127) for n, pitch in enumerate((57, 58, 59, 65, 68)))
    format = ClipFormat(44_100, 44_100, 32767, 3.0)
    made = compose_block(tones, [0], [notes], [Envelope(0.0, 0.0, 1.0, 0.0)], format, whole=whole)
    sound = made.pcm_TPEF[0, 0, 0].numpy() / 32767
    for n, note in enumerate(notes):
        part = sound[8820 * n + 40 : 8820 * (n + 1) - 140]
        hz = 440.0 * 2 ** ((note.pitch - 69) / 12)
        expected = np.sin(2 * np.pi * hz * (np.arange(len(part)) + 40) / 44_100)
        assert np.abs(part - expected).max() < BELOW_60_DB
    with pytest.raises(InputError, match="pitch 73: the bank's tones are 57"):
        compose_block(tones, [0], [(Note(0.0, 0.2, 73, 100),)], [Envelope(0.0, 0.0, 1.0, 0.0)], format)


@pytest.mark.parametrize("whole", [False, True])
def test_a_note_longer_than_its_tone_goes_round_the_loop(whole: bool) -> None:
    tones = sines(12, 1.0)  # 220 and 440 Hz: the loop of half a second is whole periods
    notes = (Note(0.0, 2.4, 69, 127), Note(2.4, 0.5, 57, 127))
    format = ClipFormat(44_100, 3 * 44_100, 32767, 3.0)
    made = compose_block(tones, [0], [notes], [Envelope(0.0, 0.0, 1.0, 0.0)], format, whole=whole)
    sound = made.pcm_TPEF[0, 0, 0, : int(2.39 * 44_100)].numpy() / 32767
    expected = np.sin(2 * np.pi * 440.0 * np.arange(len(sound)) / 44_100)
    assert np.abs(sound - expected).max() < BELOW_60_DB
