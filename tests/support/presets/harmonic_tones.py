"""Harmonic tones of known pitch and spectrum, one second long."""

from __future__ import annotations

import numpy as np

RATE = 44100
NOTES = list(range(48, 80, 3))
TIME = np.arange(RATE) / RATE


def hertz(note: float) -> float:
    return float(440.0 * 2.0 ** ((note - 69.0) / 12.0))


def harmonic(hz: float, amplitudes: list[float]) -> np.ndarray:
    return sum(
        a * np.sin(2 * np.pi * hz * (i + 1) * TIME + i * i)
        for i, a in enumerate(amplitudes)
        if hz * (i + 1) < 20000
    ).astype(np.float32)


SAW = [1 / (i + 1) for i in range(40)]
SPECTRA = {
    "sine": [1.0],
    "saw": SAW,
    "hollow": [a if i % 2 == 0 else 0.0 for i, a in enumerate(SAW)],
    "loud third partial": [0.5, 0.3, 1.0, 0.2, 0.1],
    "missing fundamental": [0.0, 0.7, 0.7, 0.7, 0.7],
}
