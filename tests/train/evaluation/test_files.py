"""`train evaluate` of audio files."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from manifests.types import InputError
from tests.support.sounds import sine
from train.cli.evaluate import evaluate
from train.evaluation.given_pairs import evaluate_files
from train.evaluation.summary import find_row
from train.evaluation.trial import COPIES


def no_bar() -> None:
    """Ignores progress."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sounds = {"source": sine(440), "reference": sine(660), "target": sine(550), "good": sine(550) * 0.99}
    for name, audio in sounds.items():
        soundfile.write(tmp_path / f"{name}.wav", audio, 44_100, subtype="FLOAT")
    soundfile.write(tmp_path / "short.wav", sine(550, 0.5), 44_100, subtype="FLOAT")
    soundfile.write(tmp_path / "one.wav", np.array([0.5]), 44_100, subtype="FLOAT")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 44_100)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan] * 4000), 44_100, subtype="FLOAT")
    soundfile.write(tmp_path / "slow.wav", sine(550, rate=22_050), 22_050, subtype="FLOAT")
    stereo = np.stack([sine(550), sine(550)], axis=1)
    soundfile.write(tmp_path / "stereo.wav", stereo, 44_100, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("not audio")
    return tmp_path


def table(folder: Path, *rows: dict[str, str], header: list[str] | None = None) -> Path:
    path = folder / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, header or list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(estimate: str, **more: str) -> dict[str, str]:
    base = {"source": "source.wav", "reference": "reference.wav", "target": "target.wav"}
    return {**base, "estimate": estimate, **more}


def mean(summary: dict, method: str, metric: str) -> float:
    rows = find_row(summary["scores"], method=method, metric=metric)
    assert rows is not None
    return float(rows["mean"])


def test_files_of_several_methods_are_scored_beside_the_copies(folder: Path) -> None:
    path = table(folder, row("good.wav", method="good"), row("stereo.wav", method="stereo"))
    summary = evaluate_files(path, 0, folder / "out", lambda _: no_bar)
    methods = [r["method"] for r in summary["scores"] if r["metric"] == "mstft"]
    assert methods == ["good", "stereo", *COPIES, "transplant", "re_envelope", "target"]
    assert mean(summary, "stereo", "mstft") == 0.0
    assert mean(summary, "good", "lrmsd") == pytest.approx(-np.log(0.99), rel=1e-4)
    assert mean(summary, "good", "mstft_floored") < mean(summary, "copy_of_source", "mstft_floored")
    assert (folder / "out" / "scores.parquet").is_file()


def test_files_command_prints_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(folder / "out", files=table(folder, row("good.wav")))
    printed = capsys.readouterr().out
    assert "this system" in printed
    assert "copy of reference" in printed
    assert "this system less copy of source" in printed
    assert "nearer to the target in 100% of pairs" in printed


def test_a_short_estimate_is_scored_against_the_whole_target(folder: Path) -> None:
    path = table(folder, row("short.wav", method="short"), row("one.wav", method="one"))
    summary = evaluate_files(path, 0, folder / "out", lambda _: no_bar)
    level = np.log(0.5 / np.sqrt(2) / 1e-3)
    assert mean(summary, "short", "lrmsd_floored") == pytest.approx(level / 2, rel=0.05)
    assert mean(summary, "one", "lrmsd_floored") == pytest.approx(
        mean(summary, "silence", "lrmsd_floored"), rel=0.05
    )


def test_an_estimate_at_another_rate_is_resampled(folder: Path) -> None:
    summary = evaluate_files(table(folder, row("slow.wav")), 0, folder / "out", lambda _: no_bar)
    assert mean(summary, "estimate", "mstft_floored_high") < 0.1


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        ("nan.wav", r"nan\.wav.*not finite"),
        ("empty.wav", r"empty\.wav.*no samples"),
        ("text.wav", r"text\.wav.*not a readable audio file"),
        ("missing.wav", r"table\.csv line 2: estimate 'missing\.wav' is not a file"),
        ("", r"table\.csv line 2: column 'estimate' is empty"),
    ],
)
def test_bad_files_are_refused_by_name_and_nothing_is_written(
    folder: Path, estimate: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate_files(table(folder, row(estimate)), 0, folder / "out", lambda _: no_bar)
    assert not (folder / "out").exists()


def test_bad_tables_are_refused(folder: Path) -> None:
    good = row("good.wav")
    with pytest.raises(InputError, match="line 3: same pair and method as line 2"):
        evaluate_files(table(folder, good, good), 0, folder / "out", lambda _: no_bar)
    with pytest.raises(InputError, match="line 2: method 'silence' is the name of a baseline or topline"):
        evaluate_files(table(folder, row("good.wav", method="silence")), 0, folder / "o", lambda _: no_bar)
    with pytest.raises(InputError, match="column 'target' is missing"):
        evaluate_files(
            table(folder, header=["source", "reference", "estimate"]),
            0,
            folder / "o",
            lambda _: no_bar,
        )
    with pytest.raises(InputError, match="holds no rows"):
        evaluate_files(table(folder, header=list(good)), 0, folder / "o", lambda _: no_bar)


def test_given_notes_are_used(folder: Path) -> None:
    (folder / "notes.csv").write_text("onset_s,duration_s,pitch\n0.0,0.5,73\n0.5,0.5,74\n")
    summary = evaluate_files(
        table(folder, row("good.wav", notes="notes.csv")), 0, folder / "out", lambda _: no_bar
    )
    # 550 Hz is MIDI 72.86: right for the first of the two notes, wrong for the second
    assert mean(summary, "estimate", "f_pitch_notes") == pytest.approx(0.5, abs=0.05)
    (folder / "notes.csv").write_text("onset_s,duration_s,pitch\n0.0,often,73\n")
    with pytest.raises(InputError, match=r"notes\.csv line 2: expected numbers"):
        evaluate_files(table(folder, row("good.wav", notes="notes.csv")), 0, folder / "o", lambda _: no_bar)
    (folder / "notes.csv").write_text("onset_s,duration_s,pitch\n0.0,0.5,73\n0.2,0.5,74\n")
    with pytest.raises(InputError, match=r"notes\.csv: phrase note 1: starts at"):
        evaluate_files(table(folder, row("good.wav", notes="notes.csv")), 0, folder / "o", lambda _: no_bar)


@pytest.mark.parametrize("target", ["one.wav", "silent.wav", "slow.wav", "short.wav", "stereo.wav"])
def test_unusual_targets_are_scored(folder: Path, target: str) -> None:
    soundfile.write(folder / "silent.wav", np.zeros(9000), 44_100)
    summary = evaluate_files(
        table(folder, row("good.wav") | {"target": target}), 0, folder / "out", lambda _: no_bar
    )
    assert mean(summary, "estimate", "mstft_floored") >= 0.0
    if target == "silent.wav":
        assert find_row(summary["scores"], metric="timbre", method="estimate") is None, (
            "it has no timbre to miss"
        )


def test_the_command_fails_with_one_line_and_status_2(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "train",
        "evaluate",
        "--files",
        "nowhere.csv",
        "--out",
        str(tmp_path / "o"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr == "error: nowhere.csv: no such file\n"
    assert not (tmp_path / "o").exists()
