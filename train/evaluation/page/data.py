"""Rows as the data that the page's script draws: JSON, with sounds and pictures in it or in files beside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from manifests.dataset import files
from train.evaluation.page.rows import Panel, Row
from train.evaluation.page.sounds import (
    data_url,
    encode_flac,
    frequency_height,
    log_frequency_power,
    spectrogram_png,
)
from train.metrics.catalogue import BY_NAME, HEADLINES

POINTS = 240
"""Points of a drawn waveform or curve along the time axis."""
SILENCE = 1e-9
"""Power that is added before the logarithm, so that silence has a level."""


class AssetStore(Protocol):
    """Keeps sounds and pictures, and returns the URL by which the page finds each."""

    def put(self, name: str, media_type: str, data: bytes) -> str:
        """Keeps `data` under a file name; returns its URL."""
        ...


class InlineAssets:
    """Keeps assets in the page itself, as `data:` URLs."""

    def put(self, name: str, media_type: str, data: bytes) -> str:
        """Returns the data as a URL; the name is not used."""
        return data_url(media_type, data)


class ExternalAssets:
    """Keeps assets in a folder beside the page, which loads them when they are needed."""

    def __init__(self, page: Path) -> None:
        self.folder = page.with_name(f"{page.stem}_files")

    def put(self, name: str, media_type: str, data: bytes) -> str:
        """Writes a file into the folder; returns its URL relative to the page."""
        files.replace(self.folder / name, data)
        return f"{self.folder.name}/{name}"


def encode_peaks(values: npt.ArrayLike, top: float) -> str:
    """Reduces a signal to its peaks over time.

    Args:
        values: [samples], of any sign.
        top: The magnitude that becomes 255; if it is 0, 1.

    Returns:
        At most `POINTS` magnitudes as bytes, in base64.
    """
    sound = np.abs(np.asarray(values, dtype=np.float64))
    count = min(POINTS, len(sound))
    edges = np.arange(count, dtype=np.int64) * len(sound) // count
    peaks = np.maximum.reduceat(sound, edges) / (top or 1.0)
    return base64.b64encode(np.rint(255.0 * np.minimum(peaks, 1.0)).astype(np.uint8).tobytes()).decode()


def sound_data(panel: Panel, name: str, rate: int, top_db: float, store: AssetStore) -> dict[str, Any]:
    """Describes one sound of a row: URL, RMS, drawings and facts.

    Args:
        panel: The sound.
        name: Name of its files, without suffix.
        rate: Sample rate, Hz.
        top_db: Level of the lightest colour of its spectrogram, dB.
        store: Where its files are kept.
    """
    peak = float(np.max(np.abs(panel.audio), initial=0.0))
    power_db = 10.0 * np.log10(log_frequency_power(panel.audio, rate) + SILENCE)
    return {
        "role": panel.role,
        "facts": list(panel.facts),
        "src": store.put(f"{name}.flac", "audio/flac", encode_flac(panel.audio, rate)),
        "image": store.put(f"{name}.png", "image/png", spectrogram_png(power_db, top_db)),
        "rms": round(float(np.sqrt(np.mean(panel.audio.astype(np.float64) ** 2))), 6),
        "wave": encode_peaks(panel.audio, peak),
        "curves": [
            {
                "style": curve.style,
                "meaning": curve.meaning,
                "values": encode_peaks(curve.values, float(np.max(np.abs(curve.values), initial=0.0))),
            }
            for curve in panel.curves
        ],
    }


def loudest_db(row: Row, rate: int) -> float:
    """Returns the highest level of all spectrograms of a row, dB: they share one scale."""
    highest = max(log_frequency_power(panel.audio, rate).max() for panel in row.panels)
    return 10.0 * float(np.log10(highest + SILENCE))


def row_data(number: int, row: Row, rate: int, store: AssetStore) -> dict[str, Any]:
    """Describes one row of the page as JSON values; its sounds and pictures go into `store`.

    Args:
        number: The row's number, from 1, which names its files.
        row: The row.
        rate: Sample rate of its sounds, Hz.
        store: Where its files are kept.
    """
    top_db = loudest_db(row, rate)
    return {
        "id": number,
        "pair": row.pair,
        "kind": row.kind,
        "split": row.split,
        "title": row.title,
        "words": row.words,
        "cases": list(row.cases),
        "seconds": round(max(len(panel.audio) for panel in row.panels) / rate, 4),
        "sounds": [
            sound_data(panel, f"{number:05d}_{place}", rate, top_db, store)
            for place, panel in enumerate(row.panels)
        ],
        "scores": {
            method: {m: round(values[m], 4) for m in HEADLINES if m in values}
            for method, values in row.scores.items()
        },
    }


def metric_data() -> list[dict[str, Any]]:
    """Describes the headline metrics as JSON values."""
    columns = [BY_NAME[name] for name in HEADLINES]
    return [
        {"name": c.name, "title": c.title, "unit": c.unit, "higher": c.higher, "decimals": c.decimals}
        for c in columns
    ]


def frequency_ticks(rates: Sequence[int]) -> list[tuple[str, float]]:
    """Returns the labels and heights (0..1) of 100 Hz, 1 kHz and 10 kHz on spectrograms.

    The heights are those for the lowest of the sample rates; frequencies above half of it are left out.
    """
    rate = min(rates)
    ticks = (("100 Hz", 100.0), ("1k", 1_000.0), ("10k", 10_000.0))
    return [(label, round(frequency_height(hertz, rate), 4)) for label, hertz in ticks if hertz < rate / 2]
