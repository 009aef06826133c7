"""Evaluation through its command, on a real small dataset, a real codec, and files of any origin."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from manifests.layout import Layout
from manifests.vocabulary import BadInput, ClipId
from tests.train_codec import make_checkpoint
from tests.train_data import make_dataset
from train.data.blocks import read_clips
from train.data.pairs import KINDS, draw_pairs
from train.evaluate import dataset_trials, score_trials, to_float
from train.evaluate_cli import evaluate
from train.evaluate_run import choose_pairs, evaluate_files
from train.evaluate_summary import MEAN_OF_KINDS, find, summarise_scores, to_frame
from train.metrics import METRICS, describe, score

PAIRS = 6


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    folder = tmp_path_factory.mktemp("data")
    return make_dataset(folder, train=(4, 2, 2), test=(2, 2, 2), seconds=0.6, validation=0.5)


@pytest.fixture(scope="module")
def checkpoint(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("codec") / "tiny.safetensors", layout)


@pytest.fixture(scope="module")
def evaluated(layout: Layout, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scores")
    evaluate(out, checkpoint, layout.root, ["validation", "test_unseen_all"], PAIRS, None, 0, 2)
    return out


def nothing() -> None:
    """Progress that nobody watches."""


class Answers:
    """A codec that knows its dataset: it looks the target up by the sounds it is given."""

    def __init__(self, layout: Layout, split: str) -> None:
        pairs = [pair for kind in KINDS for pair in draw_pairs(layout, split, kind, PAIRS, 0)]
        clips = read_clips(layout, [key for p in pairs for key in (p.source, p.reference, p.target)])
        self.known = {
            (clips[p.source].tobytes(), clips[p.reference].tobytes(), p.kind): to_float(clips[p.target])
            for p in pairs
        }
        self.rate = 44_100

    def convert(self, source: np.ndarray, reference: np.ndarray, take: frozenset[str]) -> Answers:
        kind = "both" if len(take) == 2 else next(iter(take))
        original = [(sound * 32768).astype(np.int16).tobytes() for sound in (source, reference)]
        self.audio = self.known[original[0], original[1], kind]
        return self


def test_every_pair_method_and_metric_has_one_row(evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    assert set(frame["method"]) == {"estimate", "copy_of_source", "copy_of_reference", "silence"}
    assert set(frame["kind"]) == set(KINDS)
    assert len(frame) == 2 * len(KINDS) * PAIRS * 4 * len(METRICS)
    assert not frame.duplicated(["split", "pair", "method", "metric"]).any()
    assert np.isfinite(frame["value"]).all()


def test_copies_are_scored_as_the_metrics_say(layout: Layout, evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    row = frame[(frame["method"] == "copy_of_reference") & (frame["metric"] == "mstft_floored")].iloc[3]
    clips = {key: clip / 32768.0 for key, clip in read_clips(layout, [row.reference, row.target]).items()}
    expected = score(describe(clips[row.reference]), describe(clips[row.target]))["mstft_floored"]
    assert row.value == pytest.approx(expected, rel=1e-6)
    source, target = ClipId.parse(row.source), ClipId.parse(row.target)
    assert source.phrase == target.phrase


def test_summary_holds_means_intervals_and_paired_differences(evaluated: Path) -> None:
    summary = json.loads((evaluated / "summary.json").read_text())
    frame = pd.read_parquet(evaluated / "scores.parquet")
    part = frame[(frame["split"] == "validation") & (frame["metric"] == "lrmsd_floored")]
    silence = part[part["method"] == "silence"]
    place = {"split": "validation", "metric": "lrmsd_floored"}
    row = find(summary["scores"], kind=MEAN_OF_KINDS, method="silence", **place)
    assert row is not None
    assert row["mean"] == pytest.approx(silence.groupby("kind")["value"].mean().mean())
    assert row["low"] <= row["mean"] <= row["high"] <= row["worst"]
    gap = find(summary["differences"], kind=MEAN_OF_KINDS, method="estimate", baseline="silence", **place)
    assert gap is not None
    ours = part[part["method"] == "estimate"]
    assert gap["mean"] == pytest.approx(ours["value"].mean() - silence["value"].mean())
    assert gap["wins"] == pytest.approx(np.mean(ours["value"].to_numpy() < silence["value"].to_numpy()))


def test_the_true_answer_scores_zero_and_wins_every_pair(layout: Layout) -> None:
    pairs = choose_pairs(layout, ["validation"], PAIRS, 0, print)["validation"]
    trials = dataset_trials(layout, "validation", pairs, Answers(layout, "validation"))
    summary = summarise_scores(to_frame(score_trials(trials)), seed=0)
    for row in summary["scores"]:
        assert (row["method"] == "estimate") == (row["worst"] == 0.0)
    assert {row["wins"] for row in summary["differences"]} == {1.0}
    assert all(row["high"] is None or row["high"] < 0 for row in summary["differences"])


def test_scores_do_not_depend_on_the_number_of_workers(
    layout: Layout, checkpoint: Path, evaluated: Path, tmp_path: Path
) -> None:
    evaluate(tmp_path, checkpoint, layout.root, ["validation", "test_unseen_all"], PAIRS, None, 0, 1)
    for name in ("scores.parquet", "summary.json"):
        assert (tmp_path / name).read_bytes() == (evaluated / name).read_bytes()


def test_a_split_with_fewer_pairs_is_said_and_scored_whole(layout: Layout) -> None:
    said: list[str] = []
    chosen = choose_pairs(layout, ["test_unseen_all"], 1000, 0, said.append)
    assert said == ["test_unseen_all: holds 8 pairs of each kind, 1000 were asked for; all are scored"]
    assert len(chosen["test_unseen_all"]) == 8 * len(KINDS)


def test_all_held_out_splits_are_the_default(layout: Layout) -> None:
    assert list(choose_pairs(layout, [], 2, 0, print)) == [
        "validation",
        "test_unseen_timbre",
        "test_unseen_envelope",
        "test_unseen_phrase",
        "test_unseen_all",
    ]


# ---- files ---------------------------------------------------------------------------------------------


def sine(hertz: float, seconds: float = 1.0, rate: int = 44_100) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


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
    found = find(summary["scores"], method=method, metric=metric)
    assert found is not None
    return float(found["mean"])


def test_files_of_several_methods_are_scored_beside_the_copies(folder: Path) -> None:
    path = table(folder, row("good.wav", method="good"), row("stereo.wav", method="stereo"))
    summary = evaluate_files(path, 0, folder / "out", lambda _: nothing)
    methods = [r["method"] for r in summary["scores"] if r["metric"] == "mstft"]
    assert methods == ["good", "stereo", "copy_of_source", "copy_of_reference", "silence"]
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


def test_a_short_estimate_pays_for_what_it_lacks(folder: Path) -> None:
    path = table(folder, row("short.wav", method="short"), row("one.wav", method="one"))
    summary = evaluate_files(path, 0, folder / "out", lambda _: nothing)
    level = np.log(0.5 / np.sqrt(2) / 1e-3)
    assert mean(summary, "short", "lrmsd_floored") == pytest.approx(level / 2, rel=0.05)
    assert mean(summary, "one", "lrmsd_floored") == pytest.approx(
        mean(summary, "silence", "lrmsd_floored"), rel=0.05
    )


def test_an_estimate_at_another_rate_is_resampled(folder: Path) -> None:
    summary = evaluate_files(table(folder, row("slow.wav")), 0, folder / "out", lambda _: nothing)
    assert mean(summary, "estimate", "mstft_floored_high") < 0.1


@pytest.mark.parametrize(
    ("estimate", "says"),
    [
        ("nan.wav", r"nan\.wav.*not finite"),
        ("empty.wav", r"empty\.wav.*no samples"),
        ("text.wav", r"text\.wav.*not a readable audio file"),
        ("missing.wav", r"table\.csv line 2: estimate 'missing\.wav' is not a file"),
        ("", r"table\.csv line 2: column 'estimate' is empty"),
    ],
)
def test_bad_files_are_refused_by_name_and_nothing_is_written(folder: Path, estimate: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        evaluate_files(table(folder, row(estimate)), 0, folder / "out", lambda _: nothing)
    assert not (folder / "out").exists()


def test_bad_tables_are_refused(folder: Path) -> None:
    good = row("good.wav")
    with pytest.raises(BadInput, match="line 3: same pair and method as line 2"):
        evaluate_files(table(folder, good, good), 0, folder / "out", lambda _: nothing)
    with pytest.raises(BadInput, match="line 2: method 'silence' is a name of ours"):
        evaluate_files(table(folder, row("good.wav", method="silence")), 0, folder / "o", lambda _: nothing)
    with pytest.raises(BadInput, match="column 'target' is missing"):
        evaluate_files(
            table(folder, header=["source", "reference", "estimate"]), 0, folder / "o", lambda _: nothing
        )
    with pytest.raises(BadInput, match="holds no rows"):
        evaluate_files(table(folder, header=list(good)), 0, folder / "o", lambda _: nothing)


# ---- what is refused -------------------------------------------------------------------------------------


def test_refusals_name_what_is_wrong(layout: Layout, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no rendered blocks of split 'test_unseen_synth'; it has validation"):
        evaluate(tmp_path, checkpoint, layout.root, ["test_unseen_synth"])
    with pytest.raises(BadInput, match="--pairs 0"):
        evaluate(tmp_path, checkpoint, layout.root, pairs=0)
    with pytest.raises(BadInput, match="expected --checkpoint with --data"):
        evaluate(tmp_path, checkpoint)
    with pytest.raises(BadInput, match="no dataset"):
        evaluate(tmp_path, checkpoint, tmp_path / "nowhere")
    other = make_checkpoint(tmp_path / "other.safetensors", layout, rate=16_000)
    with pytest.raises(BadInput, match="clips at 44100 Hz, the checkpoint converts 16000 Hz"):
        evaluate(tmp_path, other, layout.root)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.safetensors"]


def test_the_command_fails_in_one_line_with_status_2(tmp_path: Path) -> None:
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
