"""Audio is what is in the file, not what its header says."""

from __future__ import annotations

import io
import wave
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given

from manifests.types import InputError
from tests.support import odd_audio
from tests.support.odd_audio import RATE, encoded, sound
from tests.support.properties import same_examples
from train.audio import reading
from train.audio.files import check_audio, read_audio, read_recording


def write(folder: Path, data: bytes) -> Path:
    path = folder / "sound"
    path.write_bytes(data)
    return path


@same_examples
@given(odd_audio.good_files())
def test_good_files_are_read_as_libsndfile_reads_them(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[bytes, str]
) -> None:
    data, kind = drawn
    expected, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    if not len(expected):
        return
    audio, own = read_audio(write(tmp_path_factory.mktemp("good"), data))
    assert own == rate
    np.testing.assert_array_equal(audio, expected.mean(axis=1, dtype=np.float32))
    if kind == "WAV" and data[20:22] == b"\1\0" and data[34] == 16:
        with wave.open(io.BytesIO(data)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        np.testing.assert_allclose(audio, (pcm / 32768.0).mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("odd", odd_audio.WHOLE)
def test_whole_sounds_are_read_whole(tmp_path: Path, odd: str) -> None:
    path = write(tmp_path, odd_audio.WHOLE[odd])
    audio, rate = read_audio(path)
    assert rate == RATE
    assert len(audio) == len(sound())
    np.testing.assert_allclose(audio, sound(), atol=1e-4)
    assert bool(check_audio(path)[1]) == (odd.startswith("size"))


@pytest.mark.parametrize("kind", ["MP3", "FLAC", "OGG"])
def test_joined_files_are_read_one_after_another(tmp_path: Path, kind: str) -> None:
    one = encoded(sound(), kind)
    alone, _ = read_audio(write(tmp_path, one))
    joined = read_recording(write(tmp_path, 5 * one), None)
    np.testing.assert_array_equal(joined.audio, np.tile(alone, 5))
    assert joined.changes == ["5 files joined in one, all read"]


def test_an_mp3_that_does_not_state_its_length_is_read_whole(tmp_path: Path) -> None:
    quiet, loud = np.zeros(RATE, np.float32), odd_audio.sound(1.0)
    for first, second in ((quiet, loud), (loud, quiet)):
        data = b"".join(odd_audio.without_info(encoded(part, "MP3")) for part in (first, second))
        read = read_recording(write(tmp_path, data), None)
        assert len(read.audio) == pytest.approx(2 * RATE, abs=6 * 1152)
        assert "frames were counted" in read.changes[0]
        halves = np.split(read.audio[: len(read.audio) // 2 * 2], 2)
        assert np.abs(halves[0 if first is loud else 1]).max() > 0.2


@pytest.mark.parametrize("bad", odd_audio.BAD)
def test_what_is_no_audio_is_refused(tmp_path: Path, bad: str) -> None:
    data, says = odd_audio.BAD[bad]
    with pytest.raises(InputError, match=says) as caught:
        read_recording(write(tmp_path, data), 44_100)
    assert str(tmp_path / "sound") in str(caught.value)


def test_channels_that_cancel_each_other_are_not_mixed(tmp_path: Path) -> None:
    path = write(tmp_path, encoded(np.stack([0.5 * sound(), -0.51 * sound()], axis=1), "WAV"))
    read = read_recording(path, None)
    np.testing.assert_allclose(read.audio, -0.51 * sound(), atol=1e-4)
    assert read.changes == ["2 channels cancel each other; channel 2 is taken alone"]
    assert check_audio(path)[1] == read.changes
    mixed = read_recording(write(tmp_path, encoded(np.stack([sound(), sound() / 2], axis=1), "WAV")), None)
    np.testing.assert_allclose(mixed.audio, 0.75 * sound(), atol=1e-4)


def test_subnormal_samples_are_silence(tmp_path: Path) -> None:
    path = write(tmp_path, encoded(np.full(RATE, 1e-40, np.float32), "WAV", subtype="FLOAT"))
    assert not read_audio(path)[0].any()


def test_a_recording_that_is_too_long_is_cut_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST_S", 0.25)
    read = read_recording(write(tmp_path, odd_audio.wav()), 22_050)
    assert len(read.audio) == 22_050 // 4 + 1
    assert "the rest is left out" in read.changes[0]


@same_examples
@given(odd_audio.mangled([*odd_audio.WHOLE.values(), encoded(sound(), "MP3"), encoded(sound(), "OGG")]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = write(tmp_path_factory.mktemp("mangled"), data)
    with suppress(InputError):
        audio = read_recording(path, 44_100).audio
        assert np.isfinite(audio).all()
