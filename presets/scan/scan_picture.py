"""Plots a scan: brightness against level variation, octaves, loudness, and reasons of failure."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from presets.scan.distinct import STEADY_DB
from presets.scan.scan_table import read_scan


def draw_scan(scan: Path, picture: Path) -> None:
    """Plots the table in `scan` and writes `picture` (.png). Raises InputError if it is not a scan."""
    rows = read_scan(scan).to_pylist()
    measured = [row for row in rows if row["status"] == "ok"]
    figure = Figure(figsize=(13, 8), layout="constrained")
    figure.suptitle(
        f"{rows[0]['synth'] if rows else 'nothing'}: {len(rows)} presets, {len(measured)} measured"
    )
    (scatter, octaves), (loudness, failures) = figure.subplots(2, 2)
    kinds = {
        "distinct": [row for row in measured if row["distinct"]],
        "too similar to another": [row for row in measured if row["usable"] and not row["distinct"]],
        "unsteady or unpitched": [row for row in measured if not row["usable"]],
    }
    for (kind, members), colour in zip(kinds.items(), ("C0", "C1", "0.7"), strict=True):
        brightness = [row["brightness_hz"] for row in members]
        variation = [max(row["level_variation_db"], 1e-3) for row in members]
        scatter.scatter(brightness, variation, s=4, color=colour, label=f"{kind} ({len(members)})")
    scatter.axhline(STEADY_DB, color="0.4", lw=0.8)
    scatter.set(xscale="log", yscale="log", xlabel="brightness, Hz", ylabel="level variation, dB")
    scatter.legend(markerscale=3)
    counts = Counter(row["octave"] for row in measured if row["usable"])
    octaves.bar([f"{octave:+d}" for octave in sorted(counts)], [counts[octave] for octave in sorted(counts)])
    octaves.set(title="octave of usable presets", ylabel="presets")
    loudness.hist([row["loudness_dbfs"] for row in measured], bins=np.arange(-80, 7, 2).tolist())
    loudness.set(title="loudness", xlabel="dBFS", ylabel="presets")
    reasons = Counter(_reason(row) for row in rows if not row["distinct"])
    names = [name for name, _ in reasons.most_common()]
    failures.barh(names[::-1], [reasons[name] for name in names[::-1]])
    failures.set(title="why the other presets are not selected", xlabel="presets")
    figure.savefig(picture)


def _reason(row: dict[str, object]) -> str:
    if row["status"] != "ok":
        return str(row["status"])
    if row["usable"]:
        return "too similar to another"
    return "unsteady" if float(str(row["level_variation_db"])) > STEADY_DB else str(row["character"])
