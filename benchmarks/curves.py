"""Draws what a run's logs hold: its losses, and its scores on validation pairs, over the steps.

.venv/bin/python -m benchmarks.curves RUN [RUN …] --out docs/images/curves.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

LOSSES = ("stft", "mel", "onset", "pitch", "envelope", "envelope_curve", "timbre", "consistency")


def curve(logs: EventAccumulator, tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one tag."""
    events = logs.Scalars(tag)
    return np.array([event.step for event in events]), np.array([event.value for event in events])


def smooth(values: np.ndarray, over: int) -> np.ndarray:
    """A running median; at the ends over what is there."""
    return np.array([np.median(values[max(i - over, 0) : i + over + 1]) for i in range(len(values))])


def draw(runs: list[Path], out: Path) -> None:
    # No date and no random ids: the same runs give the same file.
    plt.rcParams.update({"svg.hashsalt": "triptych", "font.size": 9})
    figure, axes = plt.subplots(1, 2 * len(runs), figsize=(5.2 * len(runs) * 1.6, 3.1), layout="constrained")
    for place, run in enumerate(runs):
        logs = EventAccumulator(str(run / "logs"), size_guidance={"scalars": 0})
        logs.Reload()
        tags = set(logs.Tags()["scalars"])
        for name in LOSSES:
            if f"loss/{name}" in tags:
                steps, values = curve(logs, f"loss/{name}")
                axes[2 * place].plot(steps, smooth(values, max(len(values) // 60, 1)), label=name, lw=1.2)
        axes[2 * place].set(yscale="log", xlabel="step", title="losses, weighted")
        for tag in sorted(tags):
            if tag.startswith("validation/"):
                axes[2 * place + 1].plot(*curve(logs, tag), "o-", ms=3, lw=1.2, label=tag.split("/", 1)[1])
        axes[2 * place + 1].set(xlabel="step", ylim=(0, None), title="floored MSTFT of validation pairs")
        for axis in axes[2 * place : 2 * place + 2]:
            axis.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
            axis.grid(alpha=0.25)
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    draw(asked.runs, asked.out)


if __name__ == "__main__":
    main()
