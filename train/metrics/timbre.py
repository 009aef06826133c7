"""Timbre metrics: two sounds' timbres, whatever notes and envelope they play.

Both look at frames within 25 dB of the loudest, each taken at its own level, so that envelopes hardly
matter: what is compared is the shape of spectra.

- MFCC distance: of the means of coefficients 1..13 (Davis and Mermelstein, 1980), in dB.
- Embedding distance: mean, spread and movement of the log mel spectrum, projected by Fisher's linear
  discriminant analysis, fitted on synth timbres that no codec of ours ever sees the weights of
  (benchmarks/timbre_embedding.py fits it, and measures on other timbres how well it tells them apart).
  1 - cosine: 0 for the same timbre, about 1 for unrelated ones, 2 at most.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

from manifests.dsp.filterbank import bin_hz, mel_edges, triangular_filters, unit_sum

F64 = npt.NDArray[np.float64]

WINDOW_S, HOP_S = 2048 / 44_100, 512 / 44_100
BANDS = 80
LOWEST_HZ, HIGHEST_HZ = 40.0, 16_000.0
COEFFICIENTS = 13
QUIETEST_DB = 25.0
"""Frames this far below the loudest are not looked at."""

FLOOR = 1e-6
"""Bands 60 dB below a frame's strongest count as that."""

NO_SOUND = 1e-5
"""A sound whose RMS is below this (-100 dBFS) has no timbre."""

EMBEDDING = "timbre_embedding.npz"


class Timbre(NamedTuple):
    """MFCCs 1..13 in dB [13] and the embedding, of unit length [dims]."""

    mfcc: F64
    embedding: F64


@lru_cache(maxsize=8)
def _mel(rate: int, window: int) -> F64:
    """Mel filters of unit sum, float64 [bins, BANDS]."""
    return unit_sum(triangular_filters(mel_edges(LOWEST_HZ, HIGHEST_HZ, BANDS), bin_hz(window, rate)))


def frames_db(audio: npt.ArrayLike, rate: int) -> F64 | None:
    """Log mel spectra in dB, each less its own mean, of the frames that are loud enough: [frames, BANDS].

    None where the sound is silent.
    """
    sound = np.asarray(audio, dtype=np.float64)
    if not len(sound) or float(np.sqrt(np.mean(sound**2))) < NO_SOUND:
        return None
    window, hop = 2 * round(WINDOW_S * rate / 2), round(HOP_S * rate)
    padded = np.pad(sound, window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window), axis=-1)) ** 2 @ _mel(rate, window)
    energy = power.sum(axis=1)
    power = power[energy > energy.max() * 10.0 ** (-QUIETEST_DB / 10.0)]
    level = 10.0 * np.log10(power + FLOOR * power.max(axis=1, keepdims=True))
    return np.asarray(level - level.mean(axis=1, keepdims=True))


def mfcc(level: F64) -> F64:
    """Mean MFCCs 1..13 of `frames_db`, in dB [13]: an orthonormal DCT-II over the bands."""
    return np.asarray(dct(level.mean(axis=0), norm="ortho")[1 : COEFFICIENTS + 1])


def features(level: F64) -> F64:
    """What the embedding is made of: mean, standard deviation and mean step of each band, [3 * BANDS]."""
    steps = np.abs(np.diff(level, axis=0)).mean(axis=0) if len(level) > 1 else np.zeros(BANDS)
    return np.concatenate([level.mean(axis=0), level.std(axis=0), steps])


@lru_cache(maxsize=1)
def _projection() -> tuple[F64, F64]:
    """What to take off the features, [3 * BANDS], and the matrix they are multiplied by."""
    with (files("train") / "metrics" / EMBEDDING).open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        return np.asarray(arrays["mean"], dtype=np.float64), np.asarray(arrays["matrix"], dtype=np.float64)


def hear_timbre(audio: npt.ArrayLike, rate: int) -> Timbre | None:
    """The timbre of mono audio [samples]; None where it is silent."""
    level = frames_db(audio, rate)
    if level is None:
        return None
    mean, matrix = _projection()
    place = (features(level) - mean) @ matrix
    return Timbre(mfcc(level), place / max(float(np.linalg.norm(place)), 1e-12))


def embedding_distance(a: Timbre, b: Timbre) -> float:
    """1 - cosine of two embeddings: 0..2."""
    return float(1.0 - np.clip(a.embedding @ b.embedding, -1.0, 1.0))


def mfcc_distance(a: Timbre, b: Timbre) -> float:
    """Root mean square difference of mean MFCCs, in dB."""
    return float(np.sqrt(np.mean((a.mfcc - b.mfcc) ** 2)))
