"""Rows as the data that the page's script draws: JSON, with sounds and pictures in it or beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from manifests.dataset import files
from train.evaluation.page.rows import Panel, Row
from train.evaluation.page.sounds import data_url, flac, frequency_height, power, spectrogram_png
from train.metrics.catalogue import BY_NAME, HEADLINES

POINTS = 240
"""Points of a drawn waveform or curve along the time axis."""


class Shelf(Protocol):
    """Where sounds and pictures are put; gives the address that the page finds them by."""

    def put(self, name: str, kind: str, data: bytes) -> str: ...


class Inside:
    """Everything in the page itself, as `data:` addresses."""

    def put(self, name: str, kind: str, data: bytes) -> str:
        """The data as an address."""
        return data_url(kind, data)


class Beside:
    """Files in a folder next to the page, which loads them when they are wanted."""

    def __init__(self, page: Path) -> None:
        self.folder = page.with_name(f"{page.stem}_files")

    def put(self, name: str, kind: str, data: bytes) -> str:
        """Writes `name` into the folder; its address is relative to the page."""
        files.replace(self.folder / name, data)
        return f"{self.folder.name}/{name}"


def drawn(values: npt.ArrayLike, top: float) -> str:
    """`POINTS` highest magnitudes along the time axis, 255 for `top`, as base64 bytes."""
    sound = np.abs(np.asarray(values, dtype=np.float64))
    count = min(POINTS, len(sound))
    edges = np.arange(count, dtype=np.int64) * len(sound) // count
    peaks = np.maximum.reduceat(sound, edges) / (top or 1.0)
    return base64.b64encode(np.rint(255.0 * np.minimum(peaks, 1.0)).astype(np.uint8).tobytes()).decode()


def sound_data(panel: Panel, name: str, rate: int, top_db: float, shelf: Shelf) -> dict[str, Any]:
    """One sound: its address, level, drawings and facts."""
    peak = float(np.max(np.abs(panel.audio), initial=0.0))
    image = spectrogram_png(10.0 * np.log10(power(panel.audio, rate) + 1e-9), top_db)
    return {
        "role": panel.role,
        "facts": list(panel.facts),
        "src": shelf.put(f"{name}.flac", "audio/flac", flac(panel.audio, rate)),
        "image": shelf.put(f"{name}.png", "image/png", image),
        "rms": round(float(np.sqrt(np.mean(panel.audio.astype(np.float64) ** 2))), 6),
        "wave": drawn(panel.audio, peak),
        "curves": [
            {
                "style": curve.style,
                "meaning": curve.meaning,
                "values": drawn(curve.values, float(np.max(np.abs(curve.values), initial=0.0))),
            }
            for curve in panel.curves
        ],
    }


def loudest_db(row: Row, rate: int) -> float:
    """The strongest point of all spectrograms of a row: they share one scale."""
    return max(10.0 * float(np.log10(power(panel.audio, rate).max() + 1e-9)) for panel in row.panels)


def row_data(number: int, row: Row, rate: int, shelf: Shelf) -> dict[str, Any]:
    """One row of the page."""
    top = loudest_db(row, rate)
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
            sound_data(panel, f"{number:05d}_{place}", rate, top, shelf)
            for place, panel in enumerate(row.panels)
        ],
        "scores": {
            method: {m: round(values[m], 4) for m in HEADLINES if m in values}
            for method, values in row.scores.items()
        },
    }


def metric_data() -> list[dict[str, Any]]:
    """The headline metrics as the script needs them."""
    columns = [BY_NAME[name] for name in HEADLINES]
    return [
        {"name": c.name, "title": c.title, "unit": c.unit, "higher": c.higher, "decimals": c.decimals}
        for c in columns
    ]


def script_json(value: Any) -> str:
    """JSON that can stand inside a script element: no tag can begin in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def hertz_marks(rates: Sequence[int]) -> list[tuple[str, float]]:
    """Where 100 Hz, 1 kHz and 10 kHz lie on spectrograms of the lowest of these rates: label, 0..1."""
    rate = min(rates)
    marks = (("100 Hz", 100.0), ("1k", 1_000.0), ("10k", 10_000.0))
    return [(label, round(frequency_height(value, rate), 4)) for label, value in marks if value < rate / 2]
