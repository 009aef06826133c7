"""Scoring a folder by file names: kills, workers and order do not change the scores."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from manifests.types import InputError
from tests.support.sounds import sine
from train.cli.evaluate import evaluate
from train.evaluation.files import file_trials, group_by_pair, parse_roles, scan_folder
from train.evaluation.scoring import score_trials
from train.evaluation.summary import find_row, systems_of


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes ten pairs as files named by pattern, with a good and a bad system. Read only."""
    folder = tmp_path_factory.mktemp("many")
    for pair in range(10):
        hertz = 220 * 2 ** (pair / 12)
        sounds = {"orig": sine(hertz), "ref": sine(330), "gt": sine(hertz) * 0.8}
        sounds |= {"good": sine(hertz) * 0.79, "bad one": sine(1.5 * hertz) * 0.5}
        for name, audio in sounds.items():
            soundfile.write(folder / f"{pair:02d}_{name}.wav", audio[:22_050], 44_100, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def scored(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores them with one worker, without interruption."""
    out = tmp_path_factory.mktemp("whole")
    evaluate(out, folder=many, workers=1)
    return out


def children_of(parent: int) -> set[int]:
    """Returns the live child processes of this one."""
    pids = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                pids.add(int(path.parent.name))
    return pids


def kill_half_way(folder: Path, out: Path) -> None:
    """Starts to score the folder with two workers, and kills it after a few pairs."""
    command = [sys.executable, "-m", "train", "evaluate", "--folder", str(folder), "--out", str(out)]
    process = subprocess.Popen([*command, "--workers", "2"], stdout=subprocess.DEVNULL)
    journal = out / "progress.jsonl"
    while not journal.is_file() or len(journal.read_bytes().splitlines()) < 4:
        assert process.poll() is None, "it was to be killed before its end"
        time.sleep(0.02)
    workers = children_of(process.pid)
    process.kill()
    process.wait()
    assert len(workers) >= 2
    until = time.monotonic() + 20.0
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until, "workers outlive the process that started them"
        time.sleep(0.05)


def test_a_killed_evaluation_resumes_to_the_same_scores(many: Path, scored: Path, tmp_path: Path) -> None:
    kill_half_way(many, tmp_path)
    journal = tmp_path / "progress.jsonl"
    assert 3 <= len(journal.read_text().splitlines()) - 1 < 10
    with journal.open("a") as file:
        file.write('[9, [["torn')
    evaluate(tmp_path, folder=many, workers=1)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"scores.parquet", "summary.json", "report.md", "report.tex", "plots"}
    for name in names - {"plots"}:
        assert (tmp_path / name).read_bytes() == (scored / name).read_bytes()


def test_systems_are_compared_pair_by_pair(scored: Path) -> None:
    summary = json.loads((scored / "summary.json").read_text())
    assert systems_of(summary) == ["bad one", "good"]
    between = find_row(summary["differences"], method="bad one", baseline="good", metric="mstft_floored")
    assert between is not None
    assert between["wins"] == 0.0
    assert between["p"] < 0.05
    octave = find_row(summary["scores"], method="bad one", metric="f_pitch")
    assert octave is not None
    assert octave["mean"] == 0.0


def test_scores_do_not_depend_on_other_pairs_or_workers(many: Path, scored: Path) -> None:
    rows = [row for row in scan_folder(many, "{pair}_{system}", {})[0] if row["pair"] in ("03", "07")]
    complete = pd.read_parquet(scored / "scores.parquet").set_index(["pair", "method", "metric"])
    backwards = score_trials(file_trials(many, group_by_pair(rows[::-1])), workers=2)
    lone = score_trials(file_trials(many, group_by_pair(rows[:1])), workers=1)
    assert len(backwards) > 2 * len(lone) * 0.9
    for score in [*backwards, *lone]:
        before = complete.loc[(score.pair, score.method, score.metric)]
        assert repr((score.value, score.status, score.cases)) == repr(
            (float(before["value"]), before["status"], before["cases"])
        )


def test_scoring_needs_no_torch_and_so_no_device(many: Path) -> None:
    """Metrics use NumPy, SciPy and swift-f0 on one CPU thread, wherever systems run."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from train.evaluation.files import file_trials, group_by_pair, scan_folder\n"
        "from train.evaluation.scoring import score_trials\n"
        "folder = Path(sys.argv[1])\n"
        "rows = scan_folder(folder, '{pair}_{system}', {})[0][:1]\n"
        "jobs = file_trials(folder, group_by_pair(rows))\n"
        "print(len(score_trials(jobs, workers=1)), 'torch' in sys.modules)\n"
        "from train.metrics.tracker import _detector\n"
        "print(_detector().session.get_providers())\n"
    )
    command = [sys.executable, "-c", script, str(many)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    count, torch_is_there = ran.stdout.splitlines()[0].split()
    assert int(count) > 100
    assert torch_is_there == "False"
    assert ran.stdout.splitlines()[1] == "['CPUExecutionProvider']"


def test_file_name_patterns_are_configurable(many: Path, tmp_path: Path) -> None:
    many = Path(shutil.copytree(many, tmp_path / "copy"))
    rows, messages = scan_folder(many, "{pair}_{system}", {"target": "good"})
    assert {row["method"] for row in rows} == {"gt", "bad one"}
    assert messages == []
    (many / "00_gt.wav").unlink()
    rows, messages = scan_folder(many, "{pair}_{system}.wav", {})
    assert len(rows) == 18
    assert messages == ["pair '00': left out, since it has no target"]
    with pytest.raises(InputError, match="no pair is complete; expected source \\(nothing\\)"):
        scan_folder(many, "{pair}_{system}", {"source": "nothing"})
    with pytest.raises(InputError, match="no file is named like"):
        scan_folder(many, "{pair}-{system}", {})
    with pytest.raises(InputError, match=r"expected \{pair\} and \{system\} once each"):
        scan_folder(many, "{pair}.wav", {})
    with pytest.raises(InputError, match="--roles 'target': expected source=NAME"):
        parse_roles("target")
    (many / "01_silence.wav").write_bytes((many / "01_good.wav").read_bytes())
    with pytest.raises(InputError, match="'silence' is the name of a baseline or topline"):
        scan_folder(many, "{pair}_{system}", {})


def test_a_bad_file_is_refused_before_any_is_scored(many: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(many, tmp_path / "copy"))
    soundfile.write(folder / "09_good.wav", np.zeros(0), 44_100)
    with pytest.raises(InputError, match=r"09_good\.wav: holds no samples"):
        evaluate(tmp_path / "out", folder=folder, workers=1)
    assert not (tmp_path / "out").exists()
