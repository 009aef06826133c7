"""Conversion: sources and references of any length and kind, whole or in pieces, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.types import Envelope, InputError
from tests.support.synthetic_dataset import CUT_FADE_MS
from tests.support.training.tiny_codec import RATE, clip, make_system
from train.codec.api import Codec
from train.systems.triptych.inference import analysis, recording, synthesis


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(make_system(), "test")


def test_pieces_of_a_recording_make_the_same_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heard and played in pieces or whole; the last note goes across several windows. The decoder's filters
    move in time, as trained ones do: a fresh one's stand still, and would not show where frames lie."""
    system = make_system()
    torch.nn.init.normal_(system.decoder.leave.weight, std=0.05, generator=torch.Generator().manual_seed(1))
    codec = Codec(system, "test")
    long = np.concatenate([clip(index, 2.0)[0] for index in range(3)] + [clip(4, 2.0)[0][:20_000]])
    monkeypatch.setattr(analysis, "PASSAGE_S", 2.5)
    whole = codec.convert(long, clip(3, 1.0, timbre=1)[0])
    monkeypatch.setattr(recording, "CHUNK_S", 1.0)
    monkeypatch.setattr(synthesis, "WINDOW_S", 0.3)
    pieces = codec.convert(long, clip(3, 1.0, timbre=1)[0])
    assert pieces.notes == whole.notes
    assert pieces.envelope == whole.envelope
    np.testing.assert_allclose(pieces.audio, whole.audio, atol=2e-5)


@pytest.mark.parametrize("lengths", [(0.2, 3.0), (7.3, 0.21), (1.0, 1.0)])
def test_sources_and_references_of_any_length_convert(codec: Codec, lengths: tuple[float, float]) -> None:
    sounds = []
    for index, seconds in enumerate(lengths):
        audio = np.tile(clip(index, 2.0)[0], 4)
        sounds.append(audio[: round(seconds * RATE)])
    made = codec.convert(sounds[0], sounds[1])
    assert made.audio.shape == sounds[0].shape
    assert made.audio.dtype == np.float32
    assert np.isfinite(made.audio).all()
    assert 0.0 < np.abs(made.audio).max() <= 1.0
    assert made.notes


def test_an_envelope_by_number_is_the_gain_that_is_heard(codec: Codec) -> None:
    audio, _, _ = clip(2, 3.0)
    given = Envelope(15.0, 60.0, 0.0, 20.0)
    made = codec.convert(audio, take=frozenset(), envelope=given)
    assert made.envelope == given
    gain = compose.gain(made.notes, given, RATE, len(audio), CUT_FADE_MS)
    assert np.abs(made.audio[gain == 0.0]).max(initial=0.0) == 0.0
    assert np.abs(made.audio).max() > 0.05


def test_an_octave_moves_the_notes_by_twelve(codec: Codec) -> None:
    audio, _, _ = clip(2, 2.0)
    plain = codec.convert(audio, take=frozenset())
    moved = codec.convert(audio, take=frozenset(), octave=plain.octave + 1)
    assert [n.pitch + 12 for n in plain.notes if n.pitch + 12 <= 127] == [n.pitch for n in moved.notes]
    assert moved.octave == plain.octave + 1


def test_silence_and_noise_convert_without_a_crash(codec: Codec) -> None:
    audio, _, _ = clip(2, 1.0)
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


def test_a_conversion_is_the_same_every_time(codec: Codec) -> None:
    audio, other = clip(5, 1.0)[0], clip(6, 1.0, timbre=3)[0]
    first, second = (codec.convert(audio, other).audio for _ in range(2))
    np.testing.assert_array_equal(first, second)
