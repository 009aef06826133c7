"""Corruption of heard clips: each kind at its level, the shares drawn, and clips left as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.training.tiny_codec import RATE
from train.systems.triptych.corruption import (
    CORRUPTION_NUMBERS,
    KINDS,
    LEVEL_DB,
    corrupt,
    draw_corruptions,
)

KEY = torch.tensor(5)
CLIP = torch.from_numpy(np.sin(2 * np.pi * 3000.0 * np.arange(2 * RATE) / RATE).astype(np.float32))[None]


def added(kind: str, level: float, other: float = 0.0, swell: float = 0.0) -> np.ndarray:
    """Returns what one kind adds to a sine at 3 kHz of amplitude 1: float64 [samples]."""
    numbers = torch.zeros(1, CORRUPTION_NUMBERS)
    numbers[0, KINDS.index(kind)] = level
    numbers[0, -3], numbers[0, -2:] = swell, other
    made = corrupt(CLIP, numbers, KEY, RATE)[0].double().numpy()
    assert np.abs(made).max() == pytest.approx(1.0, abs=1e-3)
    pure = CLIP[0].double().numpy()
    return made / (made @ pure) * (pure @ pure) - pure


def spectrum(sound: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(sound)) / (len(sound) / 2)


def test_hum_offset_and_rumble_have_their_levels_and_frequencies() -> None:
    for other, hertz in ((0.0, 50), (1.0, 60)):
        hum = spectrum(added("hum", 1.0, other))
        assert np.argmax(hum) == 2 * hertz
        assert 20 * np.log10(hum.max()) == pytest.approx(LEVEL_DB["hum"][1], abs=0.3)
    assert 20 * np.log10(added("offset", 1.0).mean()) == pytest.approx(LEVEL_DB["offset"][1], abs=0.3)
    assert 20 * np.log10(added("offset", 1e-6).mean()) == pytest.approx(LEVEL_DB["offset"][0], abs=0.3)
    rumble = added("rumble", 1.0)
    assert 20 * np.log10(np.abs(rumble).max()) == pytest.approx(LEVEL_DB["rumble"][1], abs=0.5)
    power = spectrum(rumble) ** 2
    assert power[6:61].sum() > 0.99 * power.sum()


@pytest.mark.parametrize("kind", ["hum", "rumble"])
def test_hum_and_rumble_may_come_and_go(kind: str) -> None:
    def level_db(swell: float) -> np.ndarray:
        pieces = added(kind, 1.0, swell=swell).reshape(20, -1)
        return np.asarray(20 * np.log10(np.abs(pieces).max(1)))

    constant, swelling = level_db(0.49), level_db(1.0)
    assert np.ptp(constant) < (1.0 if kind == "hum" else 15.0)
    # At 1 Hz it is away for a third of each second, and there for another third.
    assert np.sum(swelling < -60.0) >= 6
    assert np.sum(np.abs(swelling - constant) < 1.0) >= 6


def test_clicks_are_few_and_short_and_repeat_with_the_key() -> None:
    clicks = np.abs(added("clicks", 1.0))
    assert clicks.max() == pytest.approx(10 ** (LEVEL_DB["clicks"][1] / 20), rel=0.9)
    assert 1 <= np.sum((clicks[1:] > 0.01) & (clicks[:-1] <= 0.01)) <= 20
    assert np.mean(clicks > 0.01) < 0.05
    numbers = torch.ones(1, CORRUPTION_NUMBERS)
    assert torch.equal(corrupt(CLIP, numbers, KEY, RATE), corrupt(CLIP, numbers, KEY, RATE))
    assert not torch.equal(corrupt(CLIP, numbers, KEY, RATE), corrupt(CLIP, numbers, KEY + 1, RATE))


def test_an_echo_comes_late_at_its_level() -> None:
    numbers = torch.zeros(1, CORRUPTION_NUMBERS)
    numbers[0, KINDS.index("echo")], numbers[0, -1] = 1.0, 1.0
    click = torch.zeros(1, RATE)
    click[0, 100] = 1.0
    made = corrupt(click, numbers, KEY, RATE)[0]
    assert torch.nonzero(made).flatten().tolist() == [100, 100 + round(0.25 * RATE)]
    assert float(made[100 + round(0.25 * RATE)]) == pytest.approx(10 ** (LEVEL_DB["echo"][1] / 20))


def test_clips_that_are_not_drawn_stay_as_they_are() -> None:
    numbers = draw_corruptions(4000, 7, 0.3)
    assert torch.equal(numbers, draw_corruptions(4000, 7, 0.3))
    chosen = (numbers[:, : len(KINDS)] > 0.0).any(1)
    assert float(chosen.float().mean()) == pytest.approx(0.3 * (1 - 0.5**5), abs=0.03)
    assert not (draw_corruptions(100, 7, 0.0)[:, : len(KINDS)] > 0.0).any()
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    untouched = torch.zeros(1, CORRUPTION_NUMBERS)
    torch.testing.assert_close(corrupt(CLIP, untouched, KEY, RATE), CLIP, atol=1e-6, rtol=0)
