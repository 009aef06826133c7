"""The columns of a table of scores: name, title, unit and direction of each metric."""

from __future__ import annotations

from dataclasses import dataclass

from train.metrics.spectral import METRICS


@dataclass(frozen=True, slots=True)
class Column:
    """A metric as a column of tables: `short` heads a narrow column, `higher` says that more is better."""

    name: str
    title: str
    short: str
    unit: str = ""
    higher: bool = False
    decimals: int = 2


COLUMNS: tuple[Column, ...] = (
    *(
        Column(m.name, m.title, m.title.replace("floor ", "").replace("level-matched", "matched"))
        for m in METRICS
    ),
    Column("mstft_highpassed", "MSTFT, floor 0.001, above 45 Hz", "MSTFT 0.001 above 45 Hz"),
    Column(
        "mstft_bridged", "MSTFT, floor 0.001, without the 8 ms before onsets", "MSTFT 0.001 without clicks"
    ),
    Column("envelope_db", "Envelope, gain-curve error", "envelope", "dB"),
    Column("attack_ms", "Attack error", "attack", "ms", decimals=1),
    Column("decay_ms", "Hold + decay error", "decay", "ms", decimals=1),
    Column("sustain_db", "Sustain error", "sustain", "dB"),
    Column("release_ms", "Release error", "release", "ms", decimals=1),
    Column("timbre", "Timbre distance (embedding)", "timbre", decimals=3),
    Column("mfcc_db", "MFCC distance", "MFCC", "dB"),
    Column("f_pitch", "F-pitch", "F-pitch", higher=True, decimals=3),
    Column("f_pitch_chroma", "F-pitch, octaves forgiven", "F-chroma", higher=True, decimals=3),
    Column("f_pitch_notes", "F-pitch against the notes", "F-notes", higher=True, decimals=3),
    Column(
        "f_pitch_notes_chroma",
        "F-pitch against the notes, octaves forgiven",
        "F-notes chroma",
        higher=True,
        decimals=3,
    ),
    Column("onset_f1", "Onset F1", "onset F1", higher=True, decimals=3),
    Column("f0_rmse_cents", "F0RMSE (CREPE tiny, unfiltered)", "F0RMSE", "cents", decimals=1),
    Column("loudness_lu", "Loudness difference", "loudness", "LU"),
)

BY_NAME = {column.name: column for column in COLUMNS}

HEADLINES = ("mstft_floored", "lrmsd_floored", "envelope_db", "timbre", "f_pitch")
"""The metrics of short tables: spectrum, level over time, and one for each factor."""


def better(name: str, a: float, b: float) -> bool:
    """Tells whether the score `a` of the metric `name` is better than `b`. Raises KeyError for no metric.

    Example: `better("f_pitch", 0.9, 0.8)` is True.
    """
    return a > b if BY_NAME[name].higher else a < b
