"""Evaluation through its command, on a real small dataset, a real codec, and files of any origin."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

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
from train.data.tables import Tables
from train.evaluate import COPIES, ESTIMATE, RESERVED, UNTRAINED, Score, Trial, score_trial
from train.evaluate_cli import evaluate
from train.evaluate_effects import EFFECTS
from train.evaluate_files import parse_roles, scan_folder
from train.evaluate_pairs import dataset_trials, to_float
from train.evaluate_run import choose_pairs, evaluate_files, with_extras
from train.evaluate_scoring import score_trials
from train.evaluate_summary import MEAN_OF_KINDS, find, methods_of, summarise_scores, to_frame
from train.metrics import METRICS, describe, score
from train.metrics.catalogue import COLUMNS

PAIRS = 1


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
    evaluate(
        out,
        [str(checkpoint)],
        str(layout.root),
        ["validation", "test_unseen_all"],
        PAIRS,
        workers=1,
        retake=layout.root,
    )
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


METHODS = {ESTIMATE, *COPIES, *UNTRAINED, "target", "another_take"}


def test_every_pair_method_and_metric_has_one_row(evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    assert set(frame["method"]) == METHODS
    assert set(frame["kind"]) == {*KINDS, "reconstruction"}
    conversions = frame[frame["kind"] != "reconstruction"]
    assert len(conversions) == 2 * len(KINDS) * PAIRS * len(METHODS) * (len(COLUMNS) - 1), "all but CREPE's"
    assert not frame.duplicated(["split", "kind", "pair", "method", "metric"]).any()
    assert (np.isfinite(frame["value"]) == (frame["status"] == "scored")).all()
    assert (frame[frame["metric"].isin([m.name for m in METRICS])]["status"] == "scored").all()


def test_what_a_target_leaves_undefined_is_left_out_for_every_method(evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    by_pair = frame.assign(out=frame["status"] == "excluded").groupby(["split", "pair", "metric"])["out"]
    assert set(by_pair.mean()) <= {0.0, 1.0}
    silence = frame[(frame["method"] == "silence") & (frame["metric"] == "timbre")]
    assert set(silence["status"]) == {"failed"}, "silence has no timbre, its targets have"
    row = find(
        json.loads((evaluated / "summary.json").read_text())["scores"], method="silence", metric="timbre"
    )
    assert row is not None
    assert row["mean"] is None
    assert row["failed"] > 0


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
    part = part[part["kind"] != "reconstruction"]
    silence = part[part["method"] == "silence"]
    place = {"split": "validation", "metric": "lrmsd_floored"}
    row = find(summary["scores"], kind=MEAN_OF_KINDS, method="silence", **place)
    assert row is not None
    assert row["mean"] == pytest.approx(silence.groupby("kind")["value"].mean().mean())
    assert row["median"] <= row["worst"]
    gap = find(summary["differences"], kind=MEAN_OF_KINDS, method="estimate", baseline="silence", **place)
    assert gap is not None
    ours = part[part["method"] == "estimate"]
    assert gap["mean"] == pytest.approx(ours["value"].mean() - silence["value"].mean())
    assert gap["wins"] == pytest.approx(np.mean(ours["value"].to_numpy() < silence["value"].to_numpy()))
    assert 0.0 < gap["p"] <= 1.0


def test_the_true_answer_scores_zero_and_wins_every_pair(layout: Layout) -> None:
    pairs = choose_pairs(layout, ["validation"], PAIRS, 0, print)["validation"]
    tables = Tables.open(layout.root)
    trials = dataset_trials(tables, "validation", pairs, Answers(layout, "validation"))
    frame = to_frame(score_trials(trials))
    summary = summarise_scores(frame[frame["metric"].isin(["mstft", "mstft_floored", "lrmsd"])], seed=0)
    for row in summary["scores"]:
        perfect = row["method"] in ("estimate", "target")
        assert perfect == (row["worst"] == 0.0)
    assert {row["wins"] for row in summary["differences"]} == {1.0}
    assert all(row["high"] is None or row["high"] < 0 for row in summary["differences"])
    f_pitch = frame[(frame["metric"] == "f_pitch") & (frame["status"] == "scored")]
    assert set(f_pitch[f_pitch["method"] == "estimate"]["value"]) == {1.0}


def test_an_untrained_conversion_by_true_notes_beats_the_copies(evaluated: Path) -> None:
    summary = json.loads((evaluated / "summary.json").read_text())
    place = {"split": "validation", "kind": MEAN_OF_KINDS, "metric": "mstft_floored"}
    rows = {m: find(summary["scores"], method=m, **place) for m in METHODS}
    means = {method: row["mean"] for method, row in rows.items() if row}
    assert means["transplant_known"] < min(means["copy_of_source"], means["copy_of_reference"])
    envelope = find(
        summary["scores"],
        split="validation",
        kind="envelope",
        metric="envelope_db",
        method="re_envelope_known",
    )
    assert envelope is not None
    assert envelope["mean"] < 3.0


def test_reconstructions_are_the_floor_of_every_kind(evaluated: Path) -> None:
    summary = json.loads((evaluated / "summary.json").read_text())
    place = {"split": "validation", "metric": "mstft_floored"}
    own = find(summary["scores"], kind="reconstruction", method=ESTIMATE, **place)
    for kind in (*KINDS, MEAN_OF_KINDS):
        floor = find(summary["scores"], kind=kind, method="target_through_codec", **place)
        assert floor is not None
        assert own is not None
        assert floor["mean"] == own["mean"]


def test_another_take_of_the_same_tones_is_the_target(evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    takes = frame[(frame["method"] == "another_take") & (frame["metric"] == "mstft")]
    assert set(takes["value"]) == {0.0}


class Echo:
    """A system that gives its source back."""

    rate = 44_100

    def convert(self, source: np.ndarray, reference: np.ndarray, take: frozenset[str]) -> Echo:
        self.audio = source
        return self


def test_robustness_changes_what_is_heard_and_not_what_is_wanted(layout: Layout) -> None:
    chosen = choose_pairs(layout, ["validation"], 1, 0, print)
    plan = with_extras(chosen, robustness=True)
    assert list(plan) == ["validation", *(f"robust_{effect}" for effect in EFFECTS)]
    assert plan["robust_reverb"] == chosen["validation"]
    tables = Tables.open(layout.root)
    for split, pairs in plan.items():
        trial = next(iter(dataset_trials(tables, split, pairs, Echo())))()
        clip = to_float(read_clips(layout, [pairs[0].source])[pairs[0].source])
        np.testing.assert_array_equal(
            trial.target, to_float(read_clips(layout, [pairs[0].target])[pairs[0].target])
        )
        assert np.array_equal(trial.estimates[ESTIMATE], clip) == (split == "validation")


def test_reports_hold_every_method(evaluated: Path) -> None:
    report = (evaluated / "report.md").read_text()
    assert "| transplant, true notes |" in report
    assert "## validation, mean of kinds" in report
    latex = (evaluated / "report.tex").read_text()
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert "copy of reference &" in latex
    for path in sorted((evaluated / "plots").iterdir()):
        ElementTree.fromstring(path.read_text())
    assert len(list((evaluated / "plots").iterdir())) == 5


def test_how_fast_it_converted_is_told_apart_from_the_scores(evaluated: Path) -> None:
    timings = json.loads((evaluated / "timings.json").read_text())
    assert timings["estimate"]["real_time_factor"] > 0
    assert "real_time_factor" not in (evaluated / "summary.json").read_text()


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


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Ten pairs as files named by pattern: tones that two systems made more or less well."""
    folder = tmp_path / "many"
    folder.mkdir()
    for pair in range(10):
        hertz = 220 * 2 ** (pair / 12)
        sounds = {"orig": sine(hertz), "ref": sine(330), "gt": sine(hertz) * 0.8}
        sounds |= {"good": sine(hertz) * 0.79, "bad one": sine(1.5 * hertz) * 0.5}
        for name, audio in sounds.items():
            soundfile.write(folder / f"{pair:02d}_{name}.wav", audio[:22_050], 44_100, subtype="FLOAT")
    return folder


def scored(folder: Path, out: Path, **more: Any) -> dict[str, bytes]:
    """The files that scoring a folder leaves, but for plots."""
    evaluate(out, folder=folder, **more)
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def test_a_folder_is_scored_by_its_names_whatever_the_workers_and_interruptions(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    class Stopped(Exception):
        pass

    def stopping(trial: Trial, crepe: bool = False) -> list[Score]:
        made.append(trial.pair)
        if len(made) == 6:
            raise Stopped
        return score_trial(trial, crepe)

    whole = scored(many, tmp_path / "whole", workers=2)
    assert set(whole) == {"scores.parquet", "summary.json", "report.md", "report.tex"}
    monkeypatch.setattr("train.evaluate_scoring.score_trial", stopping)
    with pytest.raises(Stopped):
        evaluate(tmp_path / "again", folder=many, workers=1)
    journal = tmp_path / "again" / "progress.jsonl"
    assert 1 <= len(journal.read_text().splitlines()) - 1 < 6
    with journal.open("a") as file:
        file.write('[9, [["torn')
    monkeypatch.setattr("train.evaluate_scoring.score_trial", score_trial)
    assert scored(many, tmp_path / "again", workers=1) == whole
    summary = json.loads(whole["summary.json"])
    assert [m for m in methods_of(summary) if m not in RESERVED] == ["bad one", "good"]
    between = find(summary["differences"], method="bad one", baseline="good", metric="mstft_floored")
    assert between is not None
    assert between["wins"] == 0.0
    assert between["p"] < 0.05
    octave = find(summary["scores"], method="bad one", metric="f_pitch")
    assert octave is not None
    assert octave["mean"] == 0.0


def test_what_a_folder_calls_its_files_is_up_to_it(many: Path, tmp_path: Path) -> None:
    rows, said = scan_folder(many, "{pair}_{system}", {"target": "good"})
    assert {row["method"] for row in rows} == {"gt", "bad one"}
    assert said == []
    (many / "00_gt.wav").unlink()
    rows, said = scan_folder(many, "{pair}_{system}.wav", {})
    assert len(rows) == 18
    assert said == ["pair '00': left out, it has no target"]
    with pytest.raises(BadInput, match="no pair is whole; expected source \\(nothing\\)"):
        scan_folder(many, "{pair}_{system}", {"source": "nothing"})
    with pytest.raises(BadInput, match="no file is named like"):
        scan_folder(many, "{pair}-{system}", {})
    with pytest.raises(BadInput, match=r"expected \{pair\} and \{system\} once each"):
        scan_folder(many, "{pair}.wav", {})
    with pytest.raises(BadInput, match="--roles 'target': expected source=NAME"):
        parse_roles("target")
    (many / "01_silence.wav").write_bytes((many / "01_good.wav").read_bytes())
    with pytest.raises(BadInput, match="'silence' is a name of ours"):
        scan_folder(many, "{pair}_{system}", {})


def test_notes_that_are_known_are_used(folder: Path) -> None:
    (folder / "notes.csv").write_text("onset_s,duration_s,pitch\n0.0,0.5,73\n0.5,0.5,74\n")
    summary = evaluate_files(
        table(folder, row("good.wav", notes="notes.csv")), 0, folder / "out", lambda _: nothing
    )
    # 550 Hz is MIDI 72.86: right for the first of the two notes, wrong for the second
    assert mean(summary, "estimate", "f_pitch_notes") == pytest.approx(0.5, abs=0.05)
    (folder / "notes.csv").write_text("onset_s,duration_s,pitch\n0.0,often,73\n")
    with pytest.raises(BadInput, match=r"notes\.csv line 2: expected numbers"):
        evaluate_files(table(folder, row("good.wav", notes="notes.csv")), 0, folder / "o", lambda _: nothing)
    (folder / "notes.csv").write_text("onset_s,duration_s,pitch\n0.0,0.5,73\n0.2,0.5,74\n")
    with pytest.raises(BadInput, match=r"notes\.csv: phrase note 1: starts at"):
        evaluate_files(table(folder, row("good.wav", notes="notes.csv")), 0, folder / "o", lambda _: nothing)


@pytest.mark.parametrize("target", ["one.wav", "silent.wav", "slow.wav", "short.wav", "stereo.wav"])
def test_odd_targets_are_scored(folder: Path, target: str) -> None:
    soundfile.write(folder / "silent.wav", np.zeros(9000), 44_100)
    summary = evaluate_files(
        table(folder, row("good.wav") | {"target": target}), 0, folder / "out", lambda _: nothing
    )
    assert mean(summary, "estimate", "mstft_floored") >= 0.0
    if target == "silent.wav":
        assert find(summary["scores"], metric="timbre", method="estimate") is None, "it has no timbre to miss"


# ---- what is refused -------------------------------------------------------------------------------------


def test_refusals_name_what_is_wrong(layout: Layout, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no rendered blocks of split 'test_unseen_synth'; it has validation"):
        evaluate(tmp_path, [str(checkpoint)], str(layout.root), ["test_unseen_synth"])
    with pytest.raises(BadInput, match="--pairs 0"):
        evaluate(tmp_path, [str(checkpoint)], str(layout.root), pairs=0)
    with pytest.raises(BadInput, match="expected --checkpoint with --data"):
        evaluate(tmp_path, [str(checkpoint)])
    with pytest.raises(BadInput, match="no dataset"):
        evaluate(tmp_path, [str(checkpoint)], str(tmp_path / "nowhere"))
    other = make_checkpoint(tmp_path / "other.safetensors", layout, rate=16_000)
    with pytest.raises(BadInput, match="clips at 44100 Hz, the checkpoint converts 16000 Hz"):
        evaluate(tmp_path, [str(other)], str(layout.root))
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
