"""Timbre metrics: distances of two timbres, whatever notes and envelopes they play.

Both take frames within 25 dB of the loudest, each less its own level, so that envelopes hardly matter and the
shapes of spectra are compared.

- MFCC distance: of the means of coefficients 1..13 (Davis and Mermelstein, 1980), in dB.
- Embedding distance: 1 - cosine of two embeddings of `manifests.dsp.timbre_embedding`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

from manifests.dsp.timbre_embedding import embedding, frames_db

F64 = npt.NDArray[np.float64]

COEFFICIENTS = 13


class TimbreFeatures(NamedTuple):
    """MFCCs 1..13 in dB, float64 [13], and the embedding of unit length, float64 [dims]."""

    mfcc: F64
    embedding: F64


def mfcc(level: F64) -> F64:
    """Computes the mean MFCCs 1..13 of `frames_db`: dB, float64 [13], by an orthonormal DCT-II."""
    return np.asarray(dct(level.mean(axis=0), norm="ortho")[1 : COEFFICIENTS + 1])


def measure_timbre(audio: npt.ArrayLike, rate: int) -> TimbreFeatures | None:
    """Measures the timbre of mono audio [samples] at `rate` Hz, or returns None if it is silent.

    Example: `measure_timbre(audio, 44_100).embedding`
    """
    level = frames_db(audio, rate)
    if level is None:
        return None
    return TimbreFeatures(mfcc(level), embedding(level))


def embedding_distance(a: TimbreFeatures, b: TimbreFeatures) -> float:
    """Computes 1 - cosine of two embeddings: 0..2."""
    return float(1.0 - np.clip(a.embedding @ b.embedding, -1.0, 1.0))


def mfcc_distance(a: TimbreFeatures, b: TimbreFeatures) -> float:
    """Computes the root mean square difference of mean MFCCs, in dB."""
    return float(np.sqrt(np.mean((a.mfcc - b.mfcc) ** 2)))
