"""Plots the losses and validation scores of training runs over their steps.

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


def read_scalar(logs: EventAccumulator, tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads one tag of TensorBoard logs: steps, int [n], and values, float [n]."""
    events = logs.Scalars(tag)
    return np.array([event.step for event in events]), np.array([event.value for event in events])


def running_median(values: np.ndarray, half_width: int) -> np.ndarray:
    """Returns medians [n] over `values` [n] and `half_width` neighbours on each side, fewer at the ends."""
    return np.array(
        [np.median(values[max(i - half_width, 0) : i + half_width + 1]) for i in range(len(values))]
    )


def plot_runs(runs: list[Path], out: Path) -> None:
    """Writes an SVG with two plots for each run folder: weighted losses, and scores of validation pairs."""
    # Without a date and random ids, the same runs give the same file.
    plt.rcParams.update({"svg.hashsalt": "triptych", "font.size": 9})
    figure, axes = plt.subplots(1, 2 * len(runs), figsize=(5.2 * len(runs) * 1.6, 3.1), layout="constrained")
    for place, run in enumerate(runs):
        logs = EventAccumulator(str(run / "logs"), size_guidance={"scalars": 0})
        logs.Reload()
        tags = set(logs.Tags()["scalars"])
        for name in LOSSES:
            if f"loss/{name}" in tags:
                steps, values = read_scalar(logs, f"loss/{name}")
                axes[2 * place].plot(
                    steps, running_median(values, max(len(values) // 60, 1)), label=name, lw=1.2
                )
        axes[2 * place].set(yscale="log", xlabel="step", title="weighted losses")
        for tag in sorted(tags):
            if tag.startswith("validation/"):
                axes[2 * place + 1].plot(
                    *read_scalar(logs, tag), "o-", ms=3, lw=1.2, label=tag.split("/", 1)[1]
                )
        axes[2 * place + 1].set(xlabel="step", ylim=(0, None), title="floored MSTFT of validation pairs")
        for axis in axes[2 * place : 2 * place + 2]:
            axis.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
            axis.grid(alpha=0.25)
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    """Plots the runs given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders of `python -m train fit`")
    parser.add_argument("--out", type=Path, required=True, help="SVG file to write")
    args = parser.parse_args()
    plot_runs(args.runs, args.out)


if __name__ == "__main__":
    main()
