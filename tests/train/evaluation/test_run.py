"""`train evaluate` of a checkpoint on a small dataset."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from manifests.dataset.layout import Layout
from manifests.types import ClipId, InputError
from tests.support.training.tiny_codec import make_checkpoint
from train.cli.evaluate import evaluate
from train.data.clips import read_clips
from train.data.pairs import KINDS, draw_pairs
from train.data.tables import Tables
from train.evaluation.effects import EFFECTS
from train.evaluation.pairs import dataset_trials, pcm_to_float
from train.evaluation.run import choose_pairs, scoring_plan
from train.evaluation.scoring import score_trials
from train.evaluation.summary import MEAN_OF_KINDS, find_row, summarise_scores, to_frame
from train.evaluation.trial import COPIES, ESTIMATE, TOPLINES, UNTRAINED
from train.metrics import METRICS, score, spectral_features
from train.metrics.catalogue import COLUMNS

PAIRS = 1


class PerfectCodec:
    """A codec that knows its dataset: it returns the target of the given source and reference."""

    def __init__(self, held_out: Layout, split: str) -> None:
        pairs = [pair for kind in KINDS for pair in draw_pairs(held_out, split, kind, PAIRS, 0)]
        clips = read_clips(held_out, [key for p in pairs for key in (p.source, p.reference, p.target)])
        self.known = {
            (clips[p.source].tobytes(), clips[p.reference].tobytes(), p.kind): pcm_to_float(clips[p.target])
            for p in pairs
        }
        self.rate = 44_100

    def convert(self, source: np.ndarray, reference: np.ndarray, take: frozenset[str]) -> PerfectCodec:
        kind = "both" if len(take) == 2 else next(iter(take))
        original = [(sound * 32768).astype(np.int16).tobytes() for sound in (source, reference)]
        self.audio = self.known[original[0], original[1], kind]
        return self


METHODS = {ESTIMATE, *COPIES, *UNTRAINED, *TOPLINES}


def test_every_pair_method_and_metric_has_one_row(evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    assert set(frame["method"]) == METHODS
    assert set(frame["kind"]) == {*KINDS, "reconstruction"}
    conversions = frame[frame["kind"] != "reconstruction"]
    assert len(conversions) == 2 * len(KINDS) * PAIRS * len(METHODS) * (len(COLUMNS) - 1), "all but CREPE's"
    assert not frame.duplicated(["split", "kind", "pair", "method", "metric"]).any()
    assert (np.isfinite(frame["value"]) == (frame["status"] == "scored")).all()
    assert (frame[frame["metric"].isin([m.name for m in METRICS])]["status"] == "scored").all()


def test_undefined_metrics_are_omitted_for_every_method(evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    by_pair = frame.assign(out=frame["status"] == "excluded").groupby(["split", "pair", "metric"])["out"]
    assert set(by_pair.mean()) <= {0.0, 1.0}
    silence = frame[(frame["method"] == "silence") & (frame["metric"] == "timbre")]
    assert set(silence["status"]) == {"failed"}, "silence has no timbre, its targets have"
    row = find_row(
        json.loads((evaluated / "summary.json").read_text())["scores"], method="silence", metric="timbre"
    )
    assert row is not None
    assert row["mean"] is None
    assert row["failed"] > 0


def test_copies_have_the_scores_of_the_metrics(held_out: Layout, evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    row = frame[(frame["method"] == "copy_of_reference") & (frame["metric"] == "mstft_floored")].iloc[3]
    clips = {key: clip / 32768.0 for key, clip in read_clips(held_out, [row.reference, row.target]).items()}
    expected = score(spectral_features(clips[row.reference]), spectral_features(clips[row.target]))[
        "mstft_floored"
    ]
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
    row = find_row(summary["scores"], kind=MEAN_OF_KINDS, method="silence", **place)
    assert row is not None
    assert row["mean"] == pytest.approx(silence.groupby("kind")["value"].mean().mean())
    assert row["median"] <= row["worst"]
    gap = find_row(summary["differences"], kind=MEAN_OF_KINDS, method="estimate", baseline="silence", **place)
    assert gap is not None
    ours = part[part["method"] == "estimate"]
    assert gap["mean"] == pytest.approx(ours["value"].mean() - silence["value"].mean())
    assert gap["wins"] == pytest.approx(np.mean(ours["value"].to_numpy() < silence["value"].to_numpy()))
    assert 0.0 < gap["p"] <= 1.0


def test_the_true_answer_scores_zero_and_wins_every_pair(held_out: Layout) -> None:
    pairs = choose_pairs(held_out, ["validation"], PAIRS, 0, print)["validation"]
    tables = Tables.open(held_out.root)
    trials = dataset_trials(tables, "validation", pairs, PerfectCodec(held_out, "validation"))
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
    rows = {m: find_row(summary["scores"], method=m, **place) for m in METHODS}
    means = {method: row["mean"] for method, row in rows.items() if row}
    assert means["transplant_known"] < min(means["copy_of_source"], means["copy_of_reference"])
    envelope = find_row(
        summary["scores"],
        split="validation",
        kind="envelope",
        metric="envelope_db",
        method="re_envelope_known",
    )
    assert envelope is not None
    assert envelope["mean"] < 3.0


def test_the_topline_reconstructs_every_pairs_target(evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    through = frame[(frame["method"] == "target_through_codec") & (frame["metric"] == "mstft_floored")]
    assert list(through["kind"]) == [*KINDS, *KINDS], "not those of reconstructions: they are it"
    again = frame[(frame["kind"] == "reconstruction") & (frame["method"] == ESTIMATE)]
    for row in again[again["metric"] == "mstft_floored"].itertuples():
        same = through[(through["split"] == row.split) & (through["target"] == row.target)]
        assert set(same["value"]) == {row.value}


def test_the_retake_of_the_same_tones_equals_the_target(evaluated: Path) -> None:
    frame = pd.read_parquet(evaluated / "scores.parquet")
    takes = frame[(frame["method"] == "another_take") & (frame["metric"] == "mstft")]
    assert set(takes["value"]) == {0.0}


class IdentitySystem:
    """A system that returns its source."""

    rate = 44_100

    def convert(self, source: np.ndarray, reference: np.ndarray, take: frozenset[str]) -> IdentitySystem:
        self.audio = source
        return self


def test_robustness_changes_the_source_and_not_the_target(held_out: Layout) -> None:
    chosen = choose_pairs(held_out, ["validation"], 1, 0, print)
    plan = scoring_plan(chosen, robustness=True)
    assert list(plan) == ["validation", *(f"robust_{effect}" for effect in EFFECTS)]
    assert plan["robust_reverb"] == chosen["validation"]
    tables = Tables.open(held_out.root)
    for split, pairs in plan.items():
        trial = next(iter(dataset_trials(tables, split, pairs, IdentitySystem())))()
        clip = pcm_to_float(read_clips(held_out, [pairs[0].source])[pairs[0].source])
        np.testing.assert_array_equal(
            trial.target, pcm_to_float(read_clips(held_out, [pairs[0].target])[pairs[0].target])
        )
        assert np.array_equal(trial.estimates[ESTIMATE], clip) == (split == "validation")


def test_reports_hold_every_method(evaluated: Path) -> None:
    report = (evaluated / "report.md").read_text()
    assert "| transplant, true notes |" in report
    assert "## validation, mean of kinds" in report
    assert re.search(r"## Median, and worst.*\| silence \| [\d.]+, worst [\d.]+ \|", report, re.DOTALL)
    latex = (evaluated / "report.tex").read_text()
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert "copy of reference &" in latex
    for path in sorted((evaluated / "plots").iterdir()):
        ElementTree.fromstring(path.read_text())
    assert len(list((evaluated / "plots").iterdir())) == 5


def test_timings_are_not_part_of_the_scores(evaluated: Path) -> None:
    timings = json.loads((evaluated / "timings.json").read_text())
    assert timings["estimate"]["real_time_factor"] > 0
    assert "real_time_factor" not in (evaluated / "summary.json").read_text()


def test_a_split_with_fewer_pairs_is_reported_and_scored_completely(held_out: Layout) -> None:
    messages: list[str] = []
    chosen = choose_pairs(held_out, ["test_unseen_all"], 1000, 0, messages.append)
    assert messages == ["test_unseen_all: holds 8 pairs of each kind, fewer than 1000; all are scored"]
    assert len(chosen["test_unseen_all"]) == 8 * len(KINDS)


def test_all_held_out_splits_are_the_default(held_out: Layout) -> None:
    assert list(choose_pairs(held_out, [], 2, 0, print)) == [
        "validation",
        "test_unseen_timbre",
        "test_unseen_envelope",
        "test_unseen_phrase",
        "test_unseen_all",
    ]


def test_errors_name_the_argument(held_out: Layout, codec_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="no rendered blocks of split 'test_unseen_synth'; rendered: validation"
    ):
        evaluate(tmp_path, [str(codec_checkpoint)], str(held_out.root), ["test_unseen_synth"])
    with pytest.raises(InputError, match="0 pairs of each kind"):
        evaluate(tmp_path, [str(codec_checkpoint)], str(held_out.root), pairs=0)
    with pytest.raises(InputError, match="expected --data, --files or --folder"):
        evaluate(tmp_path, [str(codec_checkpoint)])
    with pytest.raises(InputError, match="no dataset"):
        evaluate(tmp_path, [str(codec_checkpoint)], str(tmp_path / "nowhere"))
    other = make_checkpoint(tmp_path / "other.safetensors", held_out, rate=16_000)
    with pytest.raises(InputError, match="clips at 44100 Hz, the checkpoint converts 16000 Hz"):
        evaluate(tmp_path, [str(other)], str(held_out.root))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.safetensors"]
