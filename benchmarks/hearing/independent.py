"""Transcribes test sets by Basic Pitch, and scores notes with mir_eval, in an environment of its own.

    python3 -m venv BP && BP/bin/pip install "basic-pitch[onnx]"
    BP/bin/python benchmarks/hearing/independent.py notes SET [SET …]
    BP/bin/python benchmarks/hearing/independent.py scores SET [SET …]

It imports nothing of this repository. `notes` writes heard/basic-pitch.json, with Basic Pitch's own settings.
`scores` writes mir_eval.json: system -> clip -> F1 by criterion. Clips without true notes are left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def write_notes(folder: Path) -> None:
    """Writes what Basic Pitch hears in each clip of a test set."""
    import basic_pitch
    from basic_pitch.inference import Model, predict

    # The ONNX file runs without TensorFlow, and gives the same notes wherever it runs.
    model = Model(Path(basic_pitch.__file__).parent / "saved_models/icassp_2022/nmp.onnx")
    heard: dict[str, Any] = {}
    for row in json.loads((folder / "truth.json").read_text()):
        _, _, events = predict(folder / "audio" / f"{row['clip']}.wav", model)
        notes = [
            [float(start), float(end - start), int(pitch), max(1, round(127 * float(amplitude)))]
            for start, end, pitch, amplitude, _ in sorted(events, key=lambda event: (event[0], event[2]))
        ]
        heard[row["clip"]] = {"notes": notes, "envelope": None, "octave": None}
    (folder / "heard").mkdir(exist_ok=True)
    (folder / "heard" / "basic-pitch.json").write_text(json.dumps(heard, indent=1) + "\n")


def write_scores(folder: Path) -> None:
    """Writes the F1 scores of all systems in a test set."""
    from mir_eval.transcription import onset_precision_recall_f1, precision_recall_f1_overlap

    def arrays(notes: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
        times = np.array([[onset, onset + duration] for onset, duration, _, _ in notes]).reshape(-1, 2)
        return times, np.array([440.0 * 2.0 ** ((pitch - 69) / 12) for _, _, pitch, _ in notes])

    truths = json.loads((folder / "truth.json").read_text())
    scores: dict[str, Any] = {}
    for path in sorted((folder / "heard").glob("*.json")):
        heard, of_system = json.loads(path.read_text()), scores.setdefault(path.stem, {})
        for row in truths:
            if row["notes"] is None:
                continue
            times, pitches = arrays(row["notes"])
            heard_times, heard_pitches = arrays(heard[row["clip"]]["notes"])
            pitch, offset = (
                precision_recall_f1_overlap(times, pitches, heard_times, heard_pitches, offset_ratio=ratio)[2]
                for ratio in (None, 0.2)
            )
            onset = onset_precision_recall_f1(times, heard_times)[2]
            of_system[row["clip"]] = {"onset": onset, "pitch": pitch, "offset": offset}
    (folder / "mir_eval.json").write_text(json.dumps(scores, indent=1) + "\n")


if __name__ == "__main__":
    command, *folders = sys.argv[1:]
    for folder in folders:
        {"notes": write_notes, "scores": write_scores}[command](Path(folder))
