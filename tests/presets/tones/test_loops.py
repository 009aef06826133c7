"""Loops: a make_loop tone goes on without a seam."""

from __future__ import annotations

import numpy as np

from manifests.dataset.bank import read_places
from presets.tones.loops import add_loops

RATE = 44_100


def test_a_loop_continues_the_tone() -> None:
    time_s = np.arange(int(1.3 * RATE)) / RATE
    tones = np.stack(
        [
            np.sin(2 * np.pi * hz * time_s) + 0.5 * np.sin(2 * np.pi * 3.003 * hz * time_s + 1)
            for hz in (130.8, 293.7, 987.8)
        ]
    )
    pcm = np.rint(tones * 15_000).astype(np.int16)
    longer, starts = add_loops(pcm, RATE)
    np.testing.assert_array_equal(longer[:, : pcm.shape[1]], pcm)
    for tone, own, start in zip(longer, pcm, starts, strict=True):
        places = read_places(4 * RATE, int(start), len(tone))
        assert places.max() < len(tone)
        make_loop = tone[places].astype(float)
        steps = np.abs(np.diff(make_loop))
        assert steps.max() <= 1.02 * np.abs(np.diff(own.astype(float))).max()
        # Around the loop the level stays, and there is no power beside the partials.
        rest = make_loop[2 * RATE :] * np.hanning(2 * RATE)
        power = np.abs(np.fft.rfft(rest)) ** 2
        loud = np.convolve(power > power.max() * 1e-3, np.ones(200), mode="same") > 0
        assert power[~loud].sum() < 1e-3 * power.sum()
