"""Augmentation: the equaliser's levels, and the reverberation's length and level."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.training.tiny_codec import RATE
from train.systems.triptych.augment import EQUALISER_BANDS, add_reverb, equalise, rms_ratio


def test_the_equaliser_changes_levels_by_its_gains() -> None:
    time = np.arange(RATE) / RATE
    tones = np.stack([np.sin(2 * np.pi * hz * time) for hz in (60.0, 16_000.0)]).astype(np.float32)
    bands = torch.zeros(2, EQUALISER_BANDS)
    bands[0, 0], bands[1, -1] = 6.0, -12.0
    made = equalise(torch.from_numpy(tones), bands, RATE)
    change = rms_ratio(torch.from_numpy(tones)[:, 4000:-4000], made[:, 4000:-4000])
    assert (20.0 * change.log10()).tolist() == pytest.approx([6.0, -12.0], abs=0.1)
    flat = equalise(torch.from_numpy(tones), torch.zeros(2, EQUALISER_BANDS), RATE)
    np.testing.assert_allclose(flat, tones, atol=1e-5)


def test_a_room_has_its_stated_decay_time_and_level() -> None:
    click = torch.zeros(4, RATE)
    click[:, 100] = 1.0
    rooms = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 1e-6], [0.5, 0.0]])
    reverberated = add_reverb(click, rooms, torch.tensor(5), RATE)
    torch.testing.assert_close(reverberated[3], click[3], atol=1e-6, rtol=0)
    rest = (reverberated / reverberated[:, 100:101])[:3, 101:]
    energy = rest.square().cumsum(1)
    assert (10.0 * energy[:, -1].log10()).tolist() == pytest.approx([-6.0, -6.0, -24.0], abs=0.4)
    left = 10.0 * (1.0 - energy[:2] / energy[:2, -1:]).log10()
    fallen_s = (left > -20.0).sum(1) / RATE
    assert (3.0 * fallen_s).tolist() == pytest.approx([0.15, 0.8], rel=0.1)
    assert torch.equal(reverberated, add_reverb(click, rooms, torch.tensor(5), RATE))
    assert not torch.equal(reverberated[0], add_reverb(click, rooms, torch.tensor(6), RATE)[0])
