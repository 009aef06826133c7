"""Composing clips of a tone bank in torch: equal to rendered ones, also between and beyond the kept tones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.dataset.bank import Bank
from manifests.types import SPLITS, Envelope, InputError, Note
from tests.support.training.tone_bank import sine_tones
from train.data.bank.compose import compose_block
from train.data.bank.format import ClipFormat, clip_format
from train.data.bank.tones import Tones
from train.data.clips import read_clips
from train.data.tables import Tables

CPU = torch.device("cpu")
BELOW_60_DB = 1e-3


def test_clips_of_the_bank_are_the_rendered_clips(banked: Path, bank: Bank) -> None:
    layout = Tables.open(banked).layout
    keys = [key for split in SPLITS for key in layout.read_clips(split).column("key").to_pylist()[::5]]
    expected, actual = (read_clips(where, keys) for where in (layout, bank))
    for key in keys:
        assert actual[key].dtype == np.int16
        assert np.abs(actual[key].astype(int) - expected[key]).max() <= 2, "60 dB below the peak would be 29"


def test_both_composing_algorithms_agree(bank: Bank) -> None:
    tables, format = Tables.open(bank.root), clip_format(bank)
    tones = Tones.load(bank, tables.train_timbres, CPU)
    block = (tones, tables.train_timbres[:2], tables.phrases[:3], tables.envelopes[1:5], format)
    rows, vectorised = (compose_block(*block, vectorised=way) for way in (False, True))
    assert rows.pcm_TPEF.shape == (2, 3, 4, format.frames)
    assert (rows.pcm_TPEF.int() - vectorised.pcm_TPEF.int()).abs().max() <= 2
    torch.testing.assert_close(rows.gain_TPE, vectorised.gain_TPE, rtol=1e-5, atol=0)
    assert rows.pcm_TPEF.int().abs().amax(-1).eq(format.peak).all()


@pytest.mark.parametrize("vectorised", [False, True])
def test_pitches_between_tones_are_read_by_a_windowed_sinc(vectorised: bool) -> None:
    tones = sine_tones(3, 2.0)
    notes = tuple(Note(0.2 * n, 0.2, pitch, 127) for n, pitch in enumerate((57, 58, 59, 65, 68)))
    format = ClipFormat(44_100, 44_100, 32767, 3.0)
    made = compose_block(tones, [0], [notes], [Envelope(0.0, 0.0, 1.0, 0.0)], format, vectorised=vectorised)
    sound = made.pcm_TPEF[0, 0, 0].numpy() / 32767
    for n, note in enumerate(notes):
        part = sound[8820 * n + 40 : 8820 * (n + 1) - 140]
        hz = 440.0 * 2 ** ((note.pitch - 69) / 12)
        expected = np.sin(2 * np.pi * hz * (np.arange(len(part)) + 40) / 44_100)
        assert np.abs(part - expected).max() < BELOW_60_DB
    with pytest.raises(InputError, match="pitch 73: the bank's tones are 57"):
        compose_block(tones, [0], [(Note(0.0, 0.2, 73, 100),)], [Envelope(0.0, 0.0, 1.0, 0.0)], format)


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_note_longer_than_its_tone_repeats_the_loop(vectorised: bool) -> None:
    tones = sine_tones(12, 1.0)  # 220 and 440 Hz: the loop of half a second is whole periods
    notes = (Note(0.0, 2.4, 69, 127), Note(2.4, 0.5, 57, 127))
    format = ClipFormat(44_100, 3 * 44_100, 32767, 3.0)
    made = compose_block(tones, [0], [notes], [Envelope(0.0, 0.0, 1.0, 0.0)], format, vectorised=vectorised)
    sound = made.pcm_TPEF[0, 0, 0, : int(2.39 * 44_100)].numpy() / 32767
    expected = np.sin(2 * np.pi * 440.0 * np.arange(len(sound)) / 44_100)
    assert np.abs(sound - expected).max() < BELOW_60_DB
