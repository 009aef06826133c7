"""Sounds on the page: spectrograms, PNG and FLAC."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from train.evaluation.page.data import drawn
from train.evaluation.page.sounds import flac, indexed_png, power


def test_short_sounds_can_be_drawn() -> None:
    for samples in (1, 10, 100):
        short = np.ones(samples, dtype=np.float32)
        assert len(base64.b64decode(drawn(short, 1.0))) == samples
        assert np.isfinite(power(short, 44_100)).all()


def test_a_tone_lies_at_its_frequency_on_the_axis() -> None:
    rate = 44_100
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    rows = power(tone, rate).sum(axis=1)
    expected = np.log(1000 / 50) / np.log(18_000 / 50) * len(rows)
    assert abs(int(np.argmax(rows)) - expected) <= 1.5


def test_the_png_is_readable_by_pillow() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    palette = np.stack([np.arange(256)] * 3, axis=1).astype(np.uint8)
    read = np.asarray(image.open(io.BytesIO(indexed_png(pixels, palette))).convert("L"))
    np.testing.assert_array_equal(read, pixels)


def test_flac_keeps_16_bits_and_scales_down_overloads() -> None:
    for loudest, expected in ((1.0, [0, 16384, -16384]), (1.5, [0, 10922, -10922])):
        audio = np.array([0.0, 0.5, -0.5, loudest, -loudest] * 100, dtype=np.float32)
        samples, rate = soundfile.read(io.BytesIO(flac(audio, 22_050)), dtype="int16")
        assert rate == 22_050
        assert samples[:3].tolist() == expected
        assert samples[3] == 32767
        assert samples[4] in (-32767, -32768)
