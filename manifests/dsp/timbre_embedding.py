"""Embeds timbres: whatever notes and envelopes they play, the same timbre lies near itself.

Frames within 25 dB of the loudest, each less its own level: so envelopes hardly matter, and the shapes of
spectra are compared. Mean, spread and movement of the log mel spectrum are projected by Fisher's linear
discriminant analysis. benchmarks/timbre_embedding.py fits it on synth timbres, and measures how well it
separates others. No codec is trained on it. 1 - cosine is 0 for the same timbre, about 1 for unrelated
timbres, and 2 at most.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from manifests.dsp.filterbank import bin_hz, mel_edges, triangular_filters, unit_sum

F64 = npt.NDArray[np.float64]

WINDOW_S, HOP_S = 2048 / 44_100, 512 / 44_100
BANDS = 80
LOWEST_HZ, HIGHEST_HZ = 40.0, 16_000.0
QUIETEST_DB = 25.0
"""Frames this many dB below the loudest are left out."""

FLOOR = 1e-6
"""Bands are floored at this share of the frame's strongest: 60 dB below it."""

NO_SOUND = 1e-5
"""RMS below which (-100 dBFS) a sound has no timbre."""

EMBEDDING = "timbre_embedding.npz"


@lru_cache(maxsize=8)
def _filters(rate: int, window: int) -> F64:
    """Computes mel filters of unit sum: float64 [bins, BANDS]."""
    return unit_sum(triangular_filters(mel_edges(LOWEST_HZ, HIGHEST_HZ, BANDS), bin_hz(window, rate)))


def frames_db(audio: npt.ArrayLike, rate: int) -> F64 | None:
    """Computes log mel spectra in dB of the loud frames, each less its own mean: float64 [frames, BANDS].

    Returns None if the audio [samples] is silent.

    Example: `frames_db(audio, 44_100)`
    """
    sound = np.asarray(audio, dtype=np.float64)
    if not len(sound) or float(np.sqrt(np.mean(sound**2))) < NO_SOUND:
        return None
    window, hop = 2 * round(WINDOW_S * rate / 2), round(HOP_S * rate)
    padded = np.pad(sound, window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window), axis=-1)) ** 2 @ _filters(rate, window)
    energy = power.sum(axis=1)
    power = power[energy > energy.max() * 10.0 ** (-QUIETEST_DB / 10.0)]
    level = 10.0 * np.log10(power + FLOOR * power.max(axis=1, keepdims=True))
    return np.asarray(level - level.mean(axis=1, keepdims=True))


def embedding_inputs(level: F64) -> F64:
    """Computes mean, standard deviation and mean step of each band of `frames_db`: float64 [3 * BANDS]."""
    steps = np.abs(np.diff(level, axis=0)).mean(axis=0) if len(level) > 1 else np.zeros(BANDS)
    return np.concatenate([level.mean(axis=0), level.std(axis=0), steps])


@lru_cache(maxsize=1)
def _projection() -> tuple[F64, F64]:
    """Reads the mean of the inputs, float64 [3 * BANDS], and the matrix that projects them."""
    with (files("manifests") / "dsp" / EMBEDDING).open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        return np.asarray(arrays["mean"], dtype=np.float64), np.asarray(arrays["matrix"], dtype=np.float64)


def embedding(level: F64) -> F64:
    """Projects `frames_db` to the embedding, of unit length: float64 [dims].

    Example: `embedding(frames_db(audio, 44_100))`
    """
    mean, matrix = _projection()
    place = (embedding_inputs(level) - mean) @ matrix
    return np.asarray(place / max(float(np.linalg.norm(place)), 1e-12))


def embed(audio: npt.ArrayLike, rate: int) -> F64 | None:
    """Embeds the timbre of mono audio [samples] at `rate` Hz: float64 [dims], or None if it is silent.

    Example: `embed(audio, 44_100)`
    """
    level = frames_db(audio, rate)
    return None if level is None else embedding(level)
