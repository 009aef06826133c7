"""Plots three tones of a timbre: some periods, the spectrum, the level over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from presets.analysis.fingerprint import TONE_POSITIONS
from presets.analysis.levels import FRAME_S, frame_levels_db
from presets.tones.tone_set import ToneSet


def draw_tones(tones: ToneSet, title: str, path: Path) -> None:
    """Plots a low, a middle and a high tone, one per row, and writes `path` (.png)."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(len(TONE_POSITIONS), 3)
    for row, place in zip(axes, TONE_POSITIONS, strict=True):
        index = round(place * (len(tones.samples) - 1))
        tone = (tones.samples[index] * tones.scales[index]).astype(np.float32)
        start = len(tone) // 2
        piece = tone[start : start + int(0.03 * tones.rate)]
        row[0].plot(np.arange(len(piece)) * 1000 / tones.rate, piece, lw=0.8)
        row[0].set(title=f"MIDI {tones.lowest_pitch + index * tones.step}", xlabel="ms")
        window = np.hanning(len(tone))
        levels = 20 * np.log10(np.abs(np.fft.rfft(tone * window)) / window.sum() + 1e-7)
        row[1].plot(np.fft.rfftfreq(len(tone), 1 / tones.rate), levels, lw=0.5)
        row[1].set(xscale="log", xlim=(20, tones.rate / 2), ylim=(-120, 0), xlabel="Hz", ylabel="dB")
        steady = frame_levels_db(tone, tones.rate)
        row[2].plot(np.arange(len(steady)) * FRAME_S, steady, lw=0.8)
        row[2].set(ylim=(steady.mean() - 3, steady.mean() + 3), xlabel="s", ylabel="dB")
    figure.savefig(path)
