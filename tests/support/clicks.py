"""Finds clicks in dark sounds by their spectral flux."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.support.envelope_cases import RATE

F64 = npt.NDArray[np.float64]

DARK = {"cutoff": 500.0, "filter_slope": 1.0, "key_track": 0.0, "resonance": 0.0, "filter_env": 0.0}
"""Parameters of the built-in synth for timbres that have next to nothing above 5 kHz."""

FRAME, HOP = 256, 32
LOWEST_HZ = 6000.0
CLICK_DB = -75.0
"""Spectral flux above `LOWEST_HZ`, re a full-scale sine's, from which on a frame counts as a click.

Clean composed clips stay below -79 dB: what is left is the corners of their envelopes and 16 bits.
"""


def flux_db(sound: npt.ArrayLike) -> F64:
    """Returns the spectral flux above `LOWEST_HZ` per frame, in dB re a full-scale sine."""
    samples = np.pad(np.asarray(sound, dtype=np.float64), FRAME)
    window = np.hanning(FRAME)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP] * window
    first = int(np.ceil(LOWEST_HZ / RATE * FRAME))
    levels = np.abs(np.fft.rfft(frames, axis=1))[:, first:] / (window.sum() / 2)
    rises = np.maximum(levels[FRAME // HOP :] - levels[: -FRAME // HOP], 0.0)
    return np.asarray(20.0 * np.log10(np.sqrt(np.sum(rises**2, axis=1)) + 1e-9))


def clicks(sound: npt.ArrayLike, above_db: float = CLICK_DB) -> list[float]:
    """Returns the times of clicks in seconds; clicks closer than two frames are merged."""
    seconds = (np.flatnonzero(flux_db(sound) > above_db) * HOP) / RATE
    apart = np.diff(seconds, prepend=-1.0) > 2 * FRAME / RATE
    return [float(second) for second in seconds[apart]]


def clicks_inside(sound: npt.ArrayLike) -> list[float]:
    """Returns the clicks of a sound that was cut out of a longer one: those at its ends are left out."""
    seconds = len(np.asarray(sound)) / RATE
    return [second for second in clicks(sound) if 0.02 < second < seconds - 0.02]
