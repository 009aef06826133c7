"""Figures by split: counts, loudness, brightness, and how many clips let their whole envelope be heard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from manifests.audit.checks.rows import ClipColumns
from manifests.audit.tables import AXES, Tables
from manifests.types import SPLITS

LOWEST_HZ, HIGHEST_HZ = 40.0, 16000.0
"""Range of the mel bands of a timbre fingerprint (see `timbres.parquet`)."""
TONES = 3
"""Tones of a fingerprint: low, middle, high."""


def brightness_hz(tables: Tables) -> npt.NDArray[np.float64]:
    """Returns the spectral centroid of each timbre, the mean of its fingerprint's tones: [timbres], Hz."""
    levels_db = np.array(tables.timbres["fingerprint"].to_list(), dtype=np.float64)
    bands = levels_db.reshape(len(levels_db), TONES, -1)
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (LOWEST_HZ, HIGHEST_HZ))
    mel = np.linspace(float(low), float(high), bands.shape[2] + 2)
    centres = 700.0 * (10.0 ** (mel[1:-1] / 2595.0) - 1.0)
    power = 10.0 ** (bands / 10.0)
    centroid: npt.NDArray[np.float64] = ((power * centres).sum(axis=2) / power.sum(axis=2)).mean(axis=1)
    return centroid


def figures_by_split(clips: ClipColumns, tables: Tables) -> dict[str, dict[str, float]]:
    """Summarises each split that has clips.

    Returns:
        For each split: number of clips and of different ids, hours, RMS in dBFS (5%, median, 95%), mean
        brightness in Hz, and the share of clips in which sustain is reached and release is heard.
    """
    brightness = brightness_hz(tables)
    seconds = float(tables.config["clip"]["seconds"])
    result: dict[str, dict[str, float]] = {}
    for index, split in enumerate(SPLITS):
        of = np.flatnonzero(clips.split == index)
        if not len(of):
            continue
        level = 20.0 * np.log10(np.maximum(clips.rms[of].astype(np.float64), 1e-6))
        timbres = clips.ids[of, 1]
        timbres = timbres[(timbres >= 0) & (timbres < len(brightness))]
        low, middle, high = np.quantile(level, (0.05, 0.5, 0.95))
        result[split] = {
            "clips": len(of),
            "hours": round(len(of) * seconds / 3600.0, 3),
            **{f"{axis}s": len(np.unique(clips.ids[of, i])) for i, axis in enumerate(AXES, start=1)},
            "rms_dbfs_5": round(float(low), 2),
            "rms_dbfs_median": round(float(middle), 2),
            "rms_dbfs_95": round(float(high), 2),
            "brightness_hz": round(float(np.mean(brightness[timbres])), 1) if len(timbres) else 0.0,
            "whole_envelope_share": round(float(clips.audible[of].mean()), 4),
        }
    return result
