"""Figures by split: how many clips, how loud, how bright, how many show their whole envelope."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from manifests.audit.checks.rows import Kept
from manifests.audit.tables import AXES, Tables
from manifests.types import SPLITS

LOWEST_HZ, HIGHEST_HZ = 40.0, 16000.0
"""The range of a timbre fingerprint's mel bands (see `timbres.parquet`)."""
TONES = 3
"""The tones of a fingerprint: low, middle, high."""


def brightness_hz(tables: Tables) -> npt.NDArray[np.float64]:
    """The spectral centroid of each timbre's tones, from its fingerprint: [timbres], Hz."""
    levels = np.array(tables.timbres["fingerprint"].to_list(), dtype=np.float64)
    bands = levels.reshape(len(levels), TONES, -1)
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (LOWEST_HZ, HIGHEST_HZ))
    mel = np.linspace(float(low), float(high), bands.shape[2] + 2)
    centres = 700.0 * (10.0 ** (mel[1:-1] / 2595.0) - 1.0)
    power = 10.0 ** (bands / 10.0)
    centroid: npt.NDArray[np.float64] = ((power * centres).sum(axis=2) / power.sum(axis=2)).mean(axis=1)
    return centroid


def figures(clips: Kept, tables: Tables) -> dict[str, dict[str, float]]:
    """For each split that has clips: counts, RMS in dBFS, brightness in Hz, share with a whole envelope."""
    bright = brightness_hz(tables)
    seconds = float(tables.config["clip"]["seconds"])
    result: dict[str, dict[str, float]] = {}
    for index, split in enumerate(SPLITS):
        of = np.flatnonzero(clips.split == index)
        if not len(of):
            continue
        level = 20.0 * np.log10(np.maximum(clips.rms[of].astype(np.float64), 1e-6))
        timbres = clips.ids[of, 1]
        timbres = timbres[(timbres >= 0) & (timbres < len(bright))]
        low, middle, high = np.quantile(level, (0.05, 0.5, 0.95))
        result[split] = {
            "clips": len(of),
            "hours": round(len(of) * seconds / 3600.0, 3),
            **{f"{axis}s": len(np.unique(clips.ids[of, i])) for i, axis in enumerate(AXES, start=1)},
            "rms_dbfs_5": round(float(low), 2),
            "rms_dbfs_median": round(float(middle), 2),
            "rms_dbfs_95": round(float(high), 2),
            "brightness_hz": round(float(np.mean(bright[timbres])), 1) if len(timbres) else 0.0,
            "whole_envelope_share": round(float(clips.heard[of].mean()), 4),
        }
    return result
