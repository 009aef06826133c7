"""`train evaluate` of given pairs that codecs convert."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from manifests.dataset.canonical import sha256_file
from manifests.dataset.layout import Layout
from manifests.types import InputError, Note
from tests.support.sounds import sine
from tests.support.training.tiny_codec import make_checkpoint, make_clip
from train.cli.evaluate import evaluate
from train.codec.api import load_codec
from train.evaluation.files import file_trials, group_by_pair, scan_folder
from train.evaluation.given_pairs import PairCodecs, convert_given, evaluate_folder, octaves_to_target
from train.evaluation.pairs import ConversionTimer
from train.evaluation.summary import find_row

RATE = 44_100


class SineCodec:
    """A codec that plays one note of 220 Hz, or of the octave it is told; and counts its conversions."""

    def __init__(self, rate: int = RATE, breaks: Sequence[int] = ()) -> None:
        self.rate, self.by_number = rate, True
        self.breaks = breaks
        self.asked: list[tuple[int, frozenset[str] | None, int | None]] = []

    def convert(
        self,
        source: np.ndarray,
        reference: np.ndarray | None = None,
        take: frozenset[str] | None = None,
        envelope: None = None,
        octave: int | None = None,
    ) -> SimpleNamespace:
        self.asked.append((len(source), take, octave))
        if len(self.asked) in self.breaks:
            raise InputError("source: holds nothing to convert")
        sounding = -1 if octave is None else octave
        seconds = len(source) / self.rate
        audio = sine(440 * 2.0**sounding, seconds, self.rate)
        notes = (Note(0.0, seconds, 69 + 12 * sounding, 100),)
        return SimpleNamespace(audio=audio, notes=notes, envelope=None, octave=sounding)


def write_pairs(folder: Path, rate: int = RATE, target_hz: float = 440.0, pairs: int = 1) -> Path:
    folder.mkdir()
    for pair in range(pairs):
        sounds = {"orig": sine(330 + pair, rate=rate), "ref": sine(500, rate=rate)}
        sounds |= {"gt": sine(target_hz, rate=rate), "other": sine(300, rate=rate)}
        for name, audio in sounds.items():
            soundfile.write(folder / f"{pair}_{name}.wav", audio, rate, subtype="FLOAT")
    return folder


def convert_first(folder: Path, given: PairCodecs) -> dict[str, np.ndarray]:
    job = file_trials(folder, group_by_pair(scan_folder(folder, "{pair}_{system}", {})[0]))[0]
    return convert_given(job, given, ConversionTimer()).estimates


def test_a_checkpoint_converts_the_files_of_a_folder_beside_its_systems(
    codec_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    for name, index in (("orig", 0), ("ref", 1), ("gt", 2), ("other", 3)):
        soundfile.write(folder / f"a_{name}.wav", make_clip(index, 1.0)[0], RATE, subtype="FLOAT")
    evaluate(tmp_path / "out", [f"ours={codec_checkpoint}"], folder=folder, octave_told=True, workers=1)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["checkpoints"]["ours"]["sha256"] == sha256_file(codec_checkpoint)
    assert summary["octave_told"] is True
    assert "One seed" in summary["heading"]
    frame = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    assert {"other", "ours", "ours octave-told"} < set(frame["method"])
    codec = load_codec(codec_checkpoint)
    direct = codec.convert(make_clip(0, 1.0)[0], make_clip(1, 1.0)[0]).audio
    assert np.array_equal(convert_first(folder, PairCodecs({"ours": codec}))["ours"], direct)
    assert json.loads((tmp_path / "out" / "timings.json").read_text())["ours"]["conversions"] == 1


def test_a_table_needs_no_estimates_when_a_checkpoint_converts(
    codec_checkpoint: Path, tmp_path: Path
) -> None:
    folder = write_pairs(tmp_path / "pairs")
    path = folder / "table.csv"
    for columns in (["source", "reference", "target"], ["source", "reference", "target", "estimate"]):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([columns, ["0_orig.wav", "0_ref.wav", "0_gt.wav", ""][: len(columns)]])
        with pytest.raises(InputError, match="estimate"):
            evaluate(tmp_path / "none", files=path)
        out = tmp_path / f"out{len(columns)}"
        evaluate(out, [str(codec_checkpoint)], files=path, workers=1)
        assert "estimate" in set(pd.read_parquet(out / "scores.parquet")["method"])


def test_conversions_have_the_rate_of_their_target(tmp_path: Path) -> None:
    folder, codec = write_pairs(tmp_path / "pairs", rate=48_000), SineCodec()
    audio = convert_first(folder, PairCodecs({"ours": codec}))["ours"]
    assert codec.asked == [(RATE, frozenset({"timbre", "envelope"}), None)]
    assert len(audio) == 48_000
    spectrum = np.abs(np.fft.rfft(audio))
    assert int(np.argmax(spectrum)) == 220, "in Hz: the sound is 1 s long"


@pytest.mark.parametrize(("target_hz", "octave"), [(440.0, 0), (880.0, 1), (110.0, -2)])
def test_the_octave_told_is_that_of_the_target(tmp_path: Path, target_hz: float, octave: int) -> None:
    folder = write_pairs(tmp_path / "pairs", target_hz=target_hz)
    codec = SineCodec()
    made = convert_first(folder, PairCodecs({"ours": codec}, octave_told=True))
    assert [asked[2] for asked in codec.asked] == [None, octave]
    assert int(np.argmax(np.abs(np.fft.rfft(made["ours octave-told"])))) == round(target_hz)
    assert int(np.argmax(np.abs(np.fft.rfft(made["ours"])))) == 220


def test_a_conversion_in_the_targets_octave_is_not_repeated(tmp_path: Path) -> None:
    codec = SineCodec()
    folder = write_pairs(tmp_path / "pairs", target_hz=233.1)
    made = convert_first(folder, PairCodecs({"ours": codec}, octave_told=True))
    assert len(codec.asked) == 1
    assert np.array_equal(made["ours"], made["ours octave-told"])


def test_the_octave_is_that_of_the_true_notes_where_they_are_given(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs", target_hz=440.0)
    (folder / "notes.csv").write_text("onset_s,duration_s,pitch\n0.0,0.5,93\n0.5,0.5,96\n")
    rows, _ = scan_folder(folder, "{pair}_{system}", {})
    trial = file_trials(folder, [[row | {"notes": "notes.csv"} for row in rows]])[0]()
    assert octaves_to_target(trial, (Note(0.0, 1.0, 70, 100),)) == 2
    assert octaves_to_target(trial, ()) == 0


def test_a_conversion_that_fails_names_its_pair(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs")
    with pytest.raises(InputError, match="pair 'both 0', converted by ours: source: holds nothing"):
        convert_first(folder, PairCodecs({"ours": SineCodec(breaks=[1])}))


def test_scores_of_another_checkpoint_are_not_resumed(held_out: Layout, tmp_path: Path) -> None:
    folder, out = write_pairs(tmp_path / "pairs", pairs=2), tmp_path / "out"
    files = [make_checkpoint(tmp_path / f"{seed}.safetensors", held_out, seed=seed) for seed in (1, 2)]

    def run(codec: SineCodec, checkpoint: Path) -> dict:
        given = PairCodecs({"ours": codec}, {"ours": checkpoint})
        return evaluate_folder(
            folder, "{pair}_{system}", {}, 0, out, print, lambda _: lambda: None, 1, given=given
        )

    with pytest.raises(InputError, match="both 1"):
        run(SineCodec(breaks=[2]), files[0])
    other = SineCodec(breaks=[2])
    with pytest.raises(InputError, match="both 1"):
        run(other, files[1])
    assert len(other.asked) == 2, "the first pair was scored again"
    resumed = SineCodec()
    row = find_row(run(resumed, files[1])["scores"], method="ours", metric="mstft")
    assert len(resumed.asked) == 1, "the first pair was not"
    assert row is not None


def test_what_cannot_be_converted_is_refused(codec_checkpoint: Path, tmp_path: Path) -> None:
    folder, out = write_pairs(tmp_path / "pairs"), tmp_path / "out"
    names = [f"a={codec_checkpoint}", f"a octave-told={codec_checkpoint}"]
    with pytest.raises(InputError, match="'a octave-told' names two methods; choose another"):
        evaluate(out, names, folder=folder, octave_told=True)
    with pytest.raises(InputError, match="'other' names a system of the files; choose another"):
        evaluate(out, [f"other={codec_checkpoint}"], folder=folder)
    with pytest.raises(InputError, match="--octave-told: expected --checkpoint with"):
        evaluate(out, folder=folder, octave_told=True)
    with pytest.raises(InputError, match="--folder: names the pairs"):
        evaluate(out, [str(codec_checkpoint)], "data", folder=folder)
    numberless = SineCodec()
    numberless.by_number = False
    with pytest.raises(InputError, match="ours takes no octave"):
        PairCodecs({"ours": numberless}, octave_told=True)
    assert not out.exists()
