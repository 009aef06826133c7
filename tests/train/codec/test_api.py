"""The codec's Python API: sources and references of any length and kind, deterministic conversion."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import train
from manifests.dataset.layout import Layout
from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.synthesis.octaves import octave_of
from manifests.types import Envelope, InputError
from manifests.version import DISTRIBUTION, package_version
from tests.support.synthetic_dataset import CUT_FADE_MS
from tests.support.training.tiny_codec import RATE, make_checkpoint, make_clip, make_system
from train.checkpoint import read_weights, save_weights
from train.codec.api import Codec
from train.metrics.envelope import gain_error_db
from train.systems.triptych.hearing import analysis, recording
from train.systems.triptych.hearing.analysis_result import robust_median_pitch
from train.systems.triptych.playing import synthesis


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(make_system(), "test")


def test_conversion_in_pieces_equals_conversion_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heard and played in pieces or whole; the last note goes across several windows. The decoder's filters
    move in time, as trained ones do: a fresh one's stand still, and would not show where frames lie."""
    system = make_system()
    torch.nn.init.normal_(system.decoder.leave.weight, std=0.05, generator=torch.Generator().manual_seed(1))
    codec = Codec(system, "test")
    long = np.concatenate([make_clip(index, 2.0)[0] for index in range(3)] + [make_clip(4, 2.0)[0][:20_000]])
    monkeypatch.setattr(analysis, "PASSAGE_S", 2.5)
    whole = codec.convert(long, make_clip(3, 1.0, timbre=1)[0])
    monkeypatch.setattr(recording, "CHUNK_S", 1.0)
    monkeypatch.setattr(synthesis, "WINDOW_S", 0.3)
    pieces = codec.convert(long, make_clip(3, 1.0, timbre=1)[0])
    assert pieces.notes == whole.notes
    assert pieces.envelope == whole.envelope
    np.testing.assert_allclose(pieces.audio, whole.audio, atol=2e-5)


@pytest.mark.parametrize("lengths", [(0.2, 3.0), (7.3, 0.21), (1.0, 1.0)])
def test_sources_and_references_of_any_length_convert(codec: Codec, lengths: tuple[float, float]) -> None:
    sounds = []
    for index, seconds in enumerate(lengths):
        audio = np.tile(make_clip(index, 2.0)[0], 4)
        sounds.append(audio[: round(seconds * RATE)])
    made = codec.convert(sounds[0], sounds[1])
    assert made.audio.shape == sounds[0].shape
    assert made.audio.dtype == np.float32
    assert np.isfinite(made.audio).all()
    assert 0.0 < np.abs(made.audio).max() <= 1.0
    assert made.notes


def test_a_numeric_envelope_gives_its_gain(codec: Codec) -> None:
    audio, _, _ = make_clip(2, 3.0)
    given = Envelope(15.0, 60.0, 0.0, 20.0)
    made = codec.convert(audio, take=frozenset(), envelope=given)
    assert made.envelope == given
    gain = compose.gain(made.notes, given, RATE, len(audio), CUT_FADE_MS)
    assert np.abs(made.audio[gain == 0.0]).max(initial=0.0) == 0.0
    assert np.abs(made.audio).max() > 0.05


def test_an_octave_moves_the_notes_by_twelve(codec: Codec) -> None:
    audio, _, _ = make_clip(2, 2.0)
    plain = codec.convert(audio, take=frozenset())
    moved = codec.convert(audio, take=frozenset(), octave=plain.octave + 1)
    assert [n.pitch + 12 for n in plain.notes if n.pitch + 12 <= 127] == [n.pitch for n in moved.notes]
    assert moved.octave == plain.octave + 1


def test_an_octave_can_be_that_of_the_source_or_the_reference(codec: Codec) -> None:
    low, high = make_clip(2, 2.0)[0], make_clip(3, 2.0, timbre=2, shift=12)[0]
    heard = [codec.describe(audio).notes for audio in (low, high)]
    kept = codec.convert(low, high, octave="source")
    assert [note.pitch for note in kept.notes] == [note.pitch for note in heard[0]]
    moved = codec.convert(low, high, octave="reference")
    octaves = [octave_of(robust_median_pitch(notes)) for notes in (moved.notes, heard[1])]
    assert octaves[0] == octaves[1]
    assert 0.0 < kept.octave_probability <= 1.0


def test_legato_gates_hold_every_note(codec: Codec) -> None:
    made = codec.convert(make_clip(2, 2.0)[0], gates="legato")
    ends = [*(note.onset for note in made.notes[1:]), 2.0]
    assert [note.off for note in made.notes] == pytest.approx(ends, abs=0.002)


def test_a_constant_and_rumble_change_nothing(codec: Codec) -> None:
    audio, _, _ = make_clip(2, 2.0)
    time_s = np.arange(len(audio)) / RATE
    plain = codec.convert(audio)
    for disturbance in (0.3, 0.2 * np.sin(2.0 * np.pi * 6.0 * time_s)):
        made = codec.convert((audio + disturbance).astype(np.float32))
        # An untrained codec cannot tell octaves; the pitch class comes from the tracker.
        assert [note.pitch % 12 for note in made.notes] == [note.pitch % 12 for note in plain.notes]
        onsets = [[note.onset for note in each.notes] for each in (made, plain)]
        assert onsets[0] == pytest.approx(onsets[1], abs=0.002)
        assert gain_error_db(made.envelope, plain.envelope) < 0.5


def test_silence_and_noise_convert_without_a_crash(codec: Codec) -> None:
    audio, _, _ = make_clip(2, 1.0)
    silence = np.zeros(RATE, dtype=np.float32)
    noise = (stream(1, "noise").random(RATE).astype(np.float32) - 0.5) * 1e-3
    assert np.abs(codec.convert(silence, audio).audio).max() == 0.0
    for source, reference in ((audio, silence), (noise, audio), (audio, noise)):
        assert np.isfinite(codec.convert(source, reference).audio).all()


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((2, RATE), dtype=np.float32), "mono"),
        (np.zeros(1000, dtype=np.float32), "at least 0.2 s"),
        (np.full(RATE, np.nan, dtype=np.float32), "not finite"),
    ],
)
def test_audio_that_cannot_be_converted_is_refused(codec: Codec, audio: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        codec.convert(audio)


def test_a_conversion_is_deterministic(codec: Codec) -> None:
    audio, other = make_clip(5, 1.0)[0], make_clip(6, 1.0, timbre=3)[0]
    first, second = (codec.convert(audio, other).audio for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.fixture(scope="module")
def loaded(held_out: Layout, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """Loads a codec by its public name from a checkpoint on disk."""
    path = make_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors", held_out)
    return train.load_codec(str(path))


def test_paths_and_arrays_give_the_same_conversion(loaded: Codec, tmp_path: Path) -> None:
    source, reference = make_clip(2, 1.0)[0], make_clip(3, 0.8, timbre=1)[0]
    rate = loaded.rate
    soundfile.write(tmp_path / "a.wav", source, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", np.stack([reference, reference], axis=1), rate, subtype="FLOAT")
    arrays = loaded.convert(source.astype(np.float64), reference, take="timbre, envelope")
    paths = loaded.convert(tmp_path / "a.wav", str(tmp_path / "b.wav"))
    np.testing.assert_array_equal(arrays.audio, paths.audio)
    assert (paths.rate, paths.notes, paths.envelope) == (rate, arrays.notes, arrays.envelope)
    read = loaded.read(tmp_path / "b.wav")
    assert read.changes == (f"{tmp_path / 'b.wav'}: 2 channels, mixed to mono",)
    np.testing.assert_array_equal(loaded.convert(source, read).audio, paths.audio)
    assert paths.save(tmp_path / "deeper" / "y.flac") <= 1.0
    written, written_rate = soundfile.read(tmp_path / "deeper" / "y.flac")
    assert (len(written), written_rate) == (len(source), rate)


def test_an_array_at_another_rate_is_resampled(loaded: Codec) -> None:
    audio = make_clip(2, 1.0)[0][::2]
    result = loaded.convert(audio, rate=loaded.rate // 2)
    assert len(result.audio) == 2 * len(audio)
    assert loaded.describe(audio, rate=loaded.rate // 2).notes == result.notes


def test_doubts_and_errors_name_the_file_or_the_argument(loaded: Codec, tmp_path: Path) -> None:
    silence = np.zeros(loaded.rate, dtype=np.float32)
    soundfile.write(tmp_path / "s.wav", silence, loaded.rate)
    assert loaded.convert(silence).doubts[0].startswith("source: no note is heard")
    assert loaded.convert(tmp_path / "s.wav").doubts[0].startswith(f"{tmp_path / 's.wav'}: no note is heard")
    assert loaded.describe(tmp_path / "s.wav").doubts[0].startswith(f"{tmp_path / 's.wav'}: no note")
    with pytest.raises(InputError, match=r"s\.wav: no note is heard, so there is nothing to encode"):
        loaded.encode(tmp_path / "s.wav")
    for arguments, what in (
        (([0.0] * 44_100,), "source: expected a path or a NumPy array of samples, got list"),
        ((silence.astype(np.int16),), "source: expected floating-point samples of full scale 1, got int16"),
        ((silence, silence[:100]), r"reference: 0\.\d+ s long; expected at least 0\.2 s"),
        ((silence, None, "timbre"), "take: needs a reference to take from"),
        ((silence, silence, "pitch"), "take 'pitch': expected timbre, envelope or timbre,envelope"),
        ((silence, silence, ["pitch", "timbre"]), "take 'pitch,timbre': expected timbre"),
        (("none.wav",), r"none\.wav: no such file"),
    ):
        with pytest.raises(InputError, match=what):
            loaded.convert(*arguments)
    with pytest.raises(InputError, match="rate: expected a sample rate in Hz, got 0"):
        loaded.convert(silence, rate=0)


def test_factors_on_disk_play_as_those_in_memory(loaded: Codec, tmp_path: Path) -> None:
    factors = loaded.encode(make_clip(2, 1.0)[0])
    loaded.save_factors(factors, tmp_path / "factors")
    made, again = loaded.decode(factors), loaded.decode(tmp_path / "factors")
    assert again.octave == made.octave
    assert [note.pitch for note in again.notes] == [note.pitch for note in made.notes]
    assert again.audio.shape == made.audio.shape == (loaded.rate,)
    np.testing.assert_allclose(again.audio, made.audio, atol=0.02)
    with pytest.raises(InputError, match="was not loaded from a checkpoint"):
        Codec(loaded.system, "test").save_factors(factors, tmp_path / "other")


def test_public_names_load_no_torch() -> None:
    code = "import sys, train; assert train.__all__ and 'torch' not in sys.modules; train.load_codec"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="module 'train' has no attribute 'nothing'"):
        train.nothing  # noqa: B018


def test_the_released_codec_is_asked_for_by_no_path(
    loaded: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.codec.released.FOLDER", tmp_path)
    with pytest.raises(InputError, match="no released weights there; name a checkpoint, such as RUN/best"):
        train.load_codec()
    shutil.copy(loaded.checkpoint, tmp_path / "model.safetensors")
    assert train.load_codec().timbres == loaded.timbres


def test_a_checkpoint_names_the_version_and_loads_without_one(loaded: Codec, tmp_path: Path) -> None:
    weights, metadata = read_weights(loaded.checkpoint)
    assert metadata.pop(DISTRIBUTION) == package_version()
    save_weights(tmp_path / "old.safetensors", weights, metadata)
    assert train.load_codec(tmp_path / "old.safetensors").timbres == loaded.timbres
