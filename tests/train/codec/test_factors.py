"""Factors by number and by file: edits of an envelope, encode and decode, what a recording is said to be."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.types import Envelope, InputError, Note
from tests.support.synthetic_dataset import CUT_FADE_MS, make_dataset, make_tone
from tests.support.training.tiny_codec import make_checkpoint
from train.audio import files as audio_files
from train.cli.app import app, register
from train.codec.api import Codec, load_codec
from train.codec.envelope_edit import Edit, parse_edit, parse_edits
from train.codec.factors import read_envelope, read_notes, read_timbre, save_factors
from train.systems.triptych.inference import description
from train.systems.triptych.inference.analysis import Heard

RATE = 44_100
ENVELOPE = Envelope(20.0, 80.0, 0.4, 90.0, 5.0)


@lru_cache
def sound(seconds: float = 0.8, timbre: int = 0, octave: int = 0) -> np.ndarray:
    """A little tune of full scale 1."""
    frames = round(seconds * RATE)
    notes = [
        Note(at, 0.16, pitch + 12 * octave, 100)
        for at, pitch in ((0.0, 60), (0.2, 64), (0.4, 62), (0.6, 60))
        if at < seconds
    ]
    tones = {note.pitch: make_tone(11, timbre, note.pitch, frames, RATE) for note in notes}
    made = compose.gain(notes, ENVELOPE, RATE, frames, CUT_FADE_MS) * compose.dry(notes, tones, RATE, frames)
    return np.asarray(0.8 * made / np.abs(made).max(), dtype=np.float32)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("factors")
    layout = make_dataset(folder / "set", train=(2, 2, 2), seconds=0.5)
    return make_checkpoint(folder / "codec.safetensors", layout)


@pytest.fixture(scope="module")
def codec(checkpoint: Path) -> Codec:
    return load_codec(checkpoint)


def run(*arguments: object) -> str:
    """A train command's output, stdout and stderr together; it must succeed."""
    register(["convert", "describe", "encode", "decode"])
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_an_edit_sets_or_scales() -> None:
    assert parse_edit("release_ms", "120") == Edit(120.0, False)
    assert parse_edit("release_ms", " X2.5") == Edit(2.5, True)
    edits = parse_edits({"release_ms": "x2", "sustain": "x3", "attack_ms": "7", "hold_ms": None})
    assert edits(ENVELOPE) == Envelope(7.0, 80.0, 1.0, 180.0, 5.0)
    assert edits.asked() == edits
    assert parse_edits({}, "exponential")(ENVELOPE) == replace(ENVELOPE, curve="exponential")
    assert parse_edits({"hold_ms": None}).asked() is None


def test_four_numbers_are_an_envelope_of_their_own() -> None:
    numbers = {"attack_ms": "5", "decay_ms": "200", "sustain": "0.3", "release_ms": "120"}
    assert parse_edits(numbers).asked() == Envelope(5.0, 200.0, 0.3, 120.0)
    more = parse_edits({**numbers, "hold_ms": "9"}, "exponential")
    assert more.asked() == Envelope(5.0, 200.0, 0.3, 120.0, 9.0, "exponential")
    for name in numbers:
        heard = parse_edits({**numbers, name: "x1"}).asked()
        assert callable(heard)
        assert heard(ENVELOPE).hold_ms == ENVELOPE.hold_ms


@pytest.mark.parametrize(
    ("name", "text"), [("release_ms", "loud"), ("sustain", "1.5"), ("decay_ms", "-3"), ("hold_ms", "xx")]
)
def test_what_is_no_edit_is_refused_by_its_option(name: str, text: str) -> None:
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')} {text!r}: expected a number"):
        parse_edit(name, text)


def test_a_curve_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="--curve 'round': expected linear or exponential"):
        parse_edits({}, "round")


def test_half_of_an_envelope_is_kept_and_its_release_doubled(codec: Codec) -> None:
    plain = codec.convert(sound(), take=frozenset())
    longer = codec.convert(sound(), take=frozenset(), envelope=parse_edits({"release_ms": "x2"}).asked())
    assert longer.envelope.release_ms == pytest.approx(2.0 * plain.envelope.release_ms)
    assert longer.envelope.attack_ms == plain.envelope.attack_ms
    assert longer.notes == plain.notes


def test_factors_go_round(codec: Codec, tmp_path: Path) -> None:
    factors = codec.encode(sound())
    save_factors(tmp_path / "f", factors, codec.rate, "abc")
    notes, seconds = read_notes(tmp_path / "f")
    assert [n.pitch for n in notes] == [n.pitch for n in factors.notes]
    assert seconds == pytest.approx(0.8)
    tensors, octave = read_timbre(tmp_path / "f", "abc")
    assert octave == factors.octave
    for name, tensor in factors.timbre.items():
        assert torch.equal(tensors[name], tensor)
    back = codec.decode(factors)
    plain = codec.convert(sound(), take=frozenset())
    assert back.notes == plain.notes
    np.testing.assert_allclose(back.audio, plain.audio, atol=1e-5)
    assert read_envelope(tmp_path / "f").attack_ms == pytest.approx(factors.envelope.attack_ms, abs=1e-3)


def test_a_note_that_fills_its_recording_goes_round(codec: Codec, tmp_path: Path) -> None:
    """Notes are told to 1 ms; a recording may end between two, and decoding it must not be refused."""
    held = np.asarray(0.5 * np.sin(2 * np.pi * 220 * np.arange(RATE // 2 - 10) / RATE), dtype=np.float32)
    factors = codec.encode(held)
    assert factors.notes[-1].off > len(held) / RATE
    save_factors(tmp_path / "f", factors, codec.rate, "abc")
    notes, seconds = read_notes(tmp_path / "f")
    assert notes[-1].off == pytest.approx(seconds)
    assert round(seconds * RATE) == len(held)


def test_notes_that_cannot_be_played_are_said_to_be_left_out(codec: Codec) -> None:
    factors = codec.encode(sound())
    high = max(note.pitch for note in factors.notes)
    octave = (127 - high) // 12 + 1
    for made in (codec.convert(sound(), octave=octave), codec.decode(replace(factors, octave=octave))):
        assert any(f"notes are left out: in octave {octave}" in line for line in made.doubts)
    plain = codec.convert(sound(), octave=factors.octave)
    assert not any("left out" in line for line in plain.doubts)


def test_only_numbers_that_are_used_are_doubted(codec: Codec) -> None:
    legato = np.asarray(0.5 * np.sin(2 * np.pi * 220 * np.arange(RATE // 2) / RATE), dtype=np.float32)
    for asked, guessed in (
        (None, True),
        (parse_edits({"release_ms": "x2"}).asked(), True),
        (parse_edits({"release_ms": "80"}).asked(), False),
        (ENVELOPE, False),
    ):
        said = codec.convert(legato, take=frozenset(), envelope=asked).doubts
        assert any("release_ms is a guess" in line for line in said) == guessed
    assert any("release_ms is a guess" in line for line in codec.encode(legato).doubts)


def test_what_is_taken_of_silence_is_silence(codec: Codec) -> None:
    silence = np.zeros(RATE // 2, dtype=np.float32)
    for take in ({"timbre"}, {"envelope"}):
        made = codec.convert(sound(), silence, frozenset(take))
        assert not made.audio.any()
        assert any("no note is heard; it is taken for silence" in line for line in made.doubts)
    assert codec.convert(sound(), silence, frozenset({"envelope"}), ENVELOPE).audio.any()


def test_a_timbre_between_two_lies_between(codec: Codec) -> None:
    one, other = (codec.encode(sound(timbre=timbre)).timbre for timbre in (0, 3))
    mixes = [codec.blend(one, other, share) for share in (0.0, 0.5, 1.0)]
    for name in ("harmonic_BNK", "noise_BNW", "vectors"):
        torch.testing.assert_close(
            mixes[1][name], (mixes[0][name] + mixes[2][name]) / 2, atol=1e-4, rtol=1e-4
        )
    torch.testing.assert_close(mixes[0]["vectors"], one["vectors"])
    assert mixes[0]["harmonic_BNK"].shape[1] == 88


def test_factors_that_do_not_fit_are_refused_by_name(codec: Codec, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    factors = codec.encode(sound())
    save_factors(folder, factors, codec.rate, "abc")
    with pytest.raises(InputError, match="written by another checkpoint"):
        read_timbre(folder, "other")
    (folder / "timbre.safetensors").write_bytes((folder / "timbre.safetensors").read_bytes()[:-9])
    with pytest.raises(InputError, match=r"timbre\.safetensors: not a whole safetensors file"):
        read_timbre(folder, "abc")
    (folder / "envelope.json").write_text('{"attack_ms": -1, "decay_ms": 2, "sustain": 0.5, "release_ms": 1}')
    with pytest.raises(InputError, match=r"envelope\.json: envelope attack_ms"):
        read_envelope(folder)
    (folder / "envelope.json").write_text('{"attack": 1}')
    with pytest.raises(InputError, match=r"envelope\.json: .*unexpected keyword argument 'attack'"):
        read_envelope(folder)
    for text, what in (
        ('{"attack_ms": "5"}', "attack_ms: expected a number, got '5'"),
        ('{"attack_ms": NaN}', "NaN is no number"),
    ):
        (folder / "envelope.json").write_text(text)
        with pytest.raises(InputError, match=what):
            read_envelope(folder)
    (folder / "notes.json").write_text(
        '{"seconds": 1, "notes": [{"onset": 0, "duration": 2, "pitch": 60, "velocity": 1}]}'
    )
    with pytest.raises(InputError, match=r"notes\.json: phrase: last note ends"):
        read_notes(folder)
    with pytest.raises(InputError, match=r"none.notes\.json: no such file"):
        read_notes(tmp_path / "none" / "notes.json")
    with pytest.raises(InputError, match="tensor 'vectors': expected finite numbers of shape"):
        codec.blend({**factors.timbre, "vectors": torch.zeros(1, 1, 3)}, factors.timbre, 0.5)


def test_the_commands_on_files(checkpoint: Path, tmp_path: Path) -> None:
    """Stereo at 32 kHz by mono at 44.1 kHz, to factors and back, with the notes as MIDI."""
    a, b = tmp_path / "a.wav", tmp_path / "b.flac"
    soundfile.write(a, np.stack([sound(), 0.5 * sound()], axis=1)[::2], 22_050)
    soundfile.write(b, sound(0.5, timbre=2), RATE)
    said = run(
        "convert",
        "--checkpoint",
        checkpoint,
        "--source",
        a,
        "--reference",
        b,
        "--out",
        tmp_path / "y.wav",
        "--release-ms",
        "x2",
        "--sustain",
        0.3,
    )
    assert "2 channels, mixed to mono" in said
    assert "22050 Hz, resampled to 44100 Hz" in said
    assert "sustain 0.300" in said
    told = run("describe", "--checkpoint", checkpoint, b, "--midi", tmp_path / "b.mid")
    described = json.loads(told[told.index("{") : told.rindex("}") + 1])
    assert set(described["confidence"]) == {"attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms"}
    assert all(0.0 <= value <= 1.0 for value in described["confidence"].values())
    assert described["nearest_timbres"] == [{"name": "one", "probability": 1.0}]
    played = [
        m for m in mido.MidiFile(file=BytesIO((tmp_path / "b.mid").read_bytes())) if m.type == "note_on"
    ]
    assert [m.note for m in played] == [note["pitch"] for note in described["notes"]]
    run("encode", "--checkpoint", checkpoint, a, "--out", tmp_path / "fa")
    run("encode", "--checkpoint", checkpoint, b, "--out", tmp_path / "fb")
    said = run(
        "decode",
        "--checkpoint",
        checkpoint,
        tmp_path / "fa",
        "--timbre",
        tmp_path / "fb",
        "--towards",
        tmp_path / "fa",
        "--attack-ms",
        3,
        "--out",
        tmp_path / "z.wav",
    )
    assert "attack 3.0 ms" in said
    made, rate = soundfile.read(tmp_path / "z.wav")
    assert (rate, len(made)) == (RATE, round(0.8 * RATE))
    assert np.abs(made).max() > 0.01


def test_what_is_above_full_scale_is_written_softer_and_not_clipped(tmp_path: Path) -> None:
    tone = np.asarray(2.0 * np.sin(np.arange(RATE) / 20.0), dtype=np.float32)
    for name, audio, factor in (
        ("loud.wav", tone, 0.5),
        ("fits.wav", 0.4 * tone, 1.0),
        ("none.wav", 0 * tone, 1.0),
    ):
        assert audio_files.write_audio(tmp_path / name, audio, RATE) == pytest.approx(factor, abs=1e-3)
        written, _ = soundfile.read(tmp_path / name, dtype="float32")
        np.testing.assert_allclose(written, factor * audio, atol=1e-3)


def test_a_long_file_is_read_in_pieces_like_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.asarray(0.3 * np.sin(np.arange(6 * 32_000) ** 1.3 / 900.0), dtype=np.float32)
    soundfile.write(tmp_path / "x.wav", noise, 32_000, subtype="FLOAT")
    whole = audio_files.read_recording(tmp_path / "x.wav", RATE).audio
    monkeypatch.setattr(audio_files, "PIECE_S", 1)
    monkeypatch.setattr(audio_files, "ON_DISK_S", 1.0)
    pieces = audio_files.read_recording(tmp_path / "x.wav", RATE).audio
    assert isinstance(pieces, np.memmap)
    np.testing.assert_allclose(pieces, whole, atol=1e-4)
    plain = audio_files.read_recording(tmp_path / "x.wav", 32_000).audio
    np.testing.assert_array_equal(plain, noise)


def heard(*notes: tuple[float, float], sure: float = 0.9, rings: bool = False, errors: float = 0.01) -> Heard:
    made = tuple(Note(at, length, 60, 100) for at, length in notes)
    return Heard(made, ENVELOPE, (sure,) * len(made), (errors,) * 5, None, rings)


def test_what_cannot_be_heard_is_said() -> None:
    assert description.note_doubts(heard(), "a") == ("a: no note is heard; it is taken for silence",)
    fine = heard((0, 0.3), (0.5, 0.2))
    assert description.note_doubts(fine, "a") == description.envelope_doubts(fine, "a") == ()
    (legato,) = description.envelope_doubts(heard((0, 0.5), (0.5, 0.2)), "a")
    assert "no release is heard" in legato
    (one,) = description.note_doubts(heard((0, 0.5), rings=True), "a")
    assert "one note only" in one
    assert description.envelope_doubts(heard((0, 0.5), rings=True), "a") == ()
    (short,) = description.envelope_doubts(heard((0, 0.05), (0.1, 0.05)), "a")
    assert "sustain is a guess" in short
    assert "no pitch is heard" in description.note_doubts(heard((0, 0.3), (0.5, 0.2), sure=0.1), "a")[0]
    assert "several voices" in description.note_doubts(heard((0, 0.3), (0.5, 0.2), sure=0.4), "a")[0]
    (two,) = description.note_doubts(replace(fine, unexplained=0.24), "a")
    assert "24% of its power is at no harmonic of its notes: several voices" in two


def test_confidence_falls_with_the_error_of_the_fit_and_needs_a_release() -> None:
    sure, unsure = (description.confidences(heard((0, 0.3), (0.5, 0.2), errors=e)) for e in (0.01, 1.0))
    assert all(sure[name] > unsure[name] for name in sure)
    assert description.confidences(heard((0, 0.5), (0.5, 0.2)))["release_ms"] == 0.0
    assert description.confidences(heard()) == description.confidences(heard())


def drum_loop() -> np.ndarray:
    time = np.arange(round(0.25 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (50 * time - 3 * np.exp(-30 * time))) * np.exp(-12 * time)
    snare = (stream(1, "snare").random(len(time)) - 0.5) * np.exp(-25 * time)
    return np.asarray(np.concatenate([kick, snare, kick, snare]), dtype=np.float32)


@pytest.mark.parametrize(
    "odd", ["silence", "noise", "drums", "chord", "one note", "legato", "shortest", "quiet"]
)
def test_odd_recordings_convert_both_ways(codec: Codec, odd: str) -> None:
    one = sound(0.2)
    strange = {
        "silence": np.zeros(RATE // 2, dtype=np.float32),
        "noise": np.asarray(stream(1, "noise").random(RATE // 2) - 0.5, dtype=np.float32),
        "drums": drum_loop(),
        "chord": (sound(0.6) + sound(0.6, 1, 1)[::1]) / 2,
        "one note": np.pad(one, (0, RATE // 4)),
        "legato": np.asarray(0.5 * np.sin(2 * np.pi * 220 * np.arange(RATE // 2) / RATE), dtype=np.float32),
        "shortest": one,
        "quiet": 1e-4 * sound(0.4),
    }[odd]
    for source, reference in ((strange, sound()), (sound(), strange)):
        made = codec.convert(source, reference)
        assert made.audio.shape == source.shape
        assert np.isfinite(made.audio).all()
        assert np.sqrt(np.mean(made.audio**2)) <= 1.0  # peaks are the decoder's own
    said = codec.describe(strange)
    assert bool(said.notes) == (odd != "silence")
    assert set(said.confidence.values()) <= set(np.clip(list(said.confidence.values()), 0.0, 1.0))
