"""Sounds on the page: spectrograms, PNG and FLAC."""

from __future__ import annotations

import base64
import io

import numpy as np
import soundfile
from PIL import Image

from train.evaluation.page.data import encode_peaks
from train.evaluation.page.sounds import COLORMAP, encode_flac, log_frequency_power, spectrogram_png


def test_short_sounds_can_be_drawn() -> None:
    for samples in (1, 10, 100):
        short = np.ones(samples, dtype=np.float32)
        assert len(base64.b64decode(encode_peaks(short, 1.0))) == samples
        assert np.isfinite(log_frequency_power(short, 44_100)).all()


def test_a_tone_lies_at_its_frequency_on_the_axis() -> None:
    rate = 44_100
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    rows = log_frequency_power(tone, rate).sum(axis=1)
    expected = np.log(1000 / 50) / np.log(18_000 / 50) * len(rows)
    assert abs(int(np.argmax(rows)) - expected) <= 1.5


def test_a_spectrogram_is_a_palette_png_from_dark_to_light() -> None:
    power_db = np.linspace(-100.0, 0.0, 20)[:, None] * np.ones((1, 7))
    image = Image.open(io.BytesIO(spectrogram_png(power_db, top_db=0.0)))
    assert (image.mode, image.size) == ("P", (7, 20))
    assert {"magma"} == {COLORMAP}
    lightness = np.asarray(image.convert("L")).astype(int)[:, 0]
    assert (np.diff(lightness) <= 0).all(), "low frequencies, here the quietest, are at the bottom"
    assert (lightness[-1], lightness[0] > 240) == (0, True)
    assert spectrogram_png(power_db, 0.0) == spectrogram_png(power_db, 0.0)


def test_flac_keeps_16_bits_and_scales_down_overloads() -> None:
    for loudest, expected in ((1.0, [0, 16384, -16384]), (1.5, [0, 10922, -10922])):
        audio = np.array([0.0, 0.5, -0.5, loudest, -loudest] * 100, dtype=np.float32)
        samples, rate = soundfile.read(io.BytesIO(encode_flac(audio, 22_050)), dtype="int16")
        assert rate == 22_050
        assert samples[:3].tolist() == expected
        assert samples[3] == 32767
        assert samples[4] in (-32767, -32768)
