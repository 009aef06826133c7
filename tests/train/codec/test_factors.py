"""Factors: encoded, decoded, written to files and read again, interpolated, and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.types import InputError
from tests.support.tunes import ENVELOPE, RATE, tune
from train.codec.api import Codec
from train.codec.envelope_edit import parse_edits
from train.codec.factors import read_envelope, read_notes, read_timbre, save_factors


def test_factors_survive_saving_and_loading(codec: Codec, tmp_path: Path) -> None:
    factors = codec.encode(tune())
    save_factors(tmp_path / "f", factors, codec.rate, "abc")
    notes, seconds = read_notes(tmp_path / "f")
    assert [n.pitch for n in notes] == [n.pitch for n in factors.notes]
    assert seconds == pytest.approx(0.8)
    tensors, octave = read_timbre(tmp_path / "f", "abc")
    assert octave == factors.octave
    for name, tensor in factors.timbre.items():
        assert torch.equal(tensors[name], tensor)
    back = codec.decode(factors)
    plain = codec.convert(tune(), take=frozenset())
    assert back.notes == plain.notes
    np.testing.assert_allclose(back.audio, plain.audio, atol=1e-5)
    assert read_envelope(tmp_path / "f").attack_ms == pytest.approx(factors.envelope.attack_ms, abs=1e-3)


def test_a_note_as_long_as_its_recording_survives_saving(codec: Codec, tmp_path: Path) -> None:
    """Notes are told to 1 ms; a recording may end between two, and decoding it must not be refused."""
    held = np.asarray(0.5 * np.sin(2 * np.pi * 220 * np.arange(RATE // 2 - 10) / RATE), dtype=np.float32)
    factors = codec.encode(held)
    assert factors.notes[-1].off > len(held) / RATE
    save_factors(tmp_path / "f", factors, codec.rate, "abc")
    notes, seconds = read_notes(tmp_path / "f")
    assert notes[-1].off == pytest.approx(seconds)
    assert round(seconds * RATE) == len(held)


def test_omitted_notes_are_reported(codec: Codec) -> None:
    factors = codec.encode(tune())
    high = max(note.pitch for note in factors.notes)
    octave = (127 - high) // 12 + 1
    for made in (codec.convert(tune(), octave=octave), codec.decode(replace(factors, octave=octave))):
        assert any(f"notes are left out: in octave {octave}" in line for line in made.doubts)
    plain = codec.convert(tune(), octave=factors.octave)
    assert not any("left out" in line for line in plain.doubts)


def test_only_used_values_raise_doubts(codec: Codec) -> None:
    legato = np.asarray(0.5 * np.sin(2 * np.pi * 220 * np.arange(RATE // 2) / RATE), dtype=np.float32)
    for asked, guessed in (
        (None, True),
        (parse_edits({"release_ms": "x2"}).request(), True),
        (parse_edits({"release_ms": "80"}).request(), False),
        (ENVELOPE, False),
    ):
        said = codec.convert(legato, take=frozenset(), envelope=asked).doubts
        assert any("release_ms is a guess" in line for line in said) == guessed
    assert any("release_ms is a guess" in line for line in codec.encode(legato).doubts)


def test_factors_of_silence_are_silence(codec: Codec) -> None:
    silence = np.zeros(RATE // 2, dtype=np.float32)
    for take in ({"timbre"}, {"envelope"}):
        made = codec.convert(tune(), silence, frozenset(take))
        assert not made.audio.any()
        assert any("no note is heard; it is taken for silence" in line for line in made.doubts)
    assert codec.convert(tune(), silence, frozenset({"envelope"}), ENVELOPE).audio.any()


def test_an_interpolated_timbre_lies_between_its_ends(codec: Codec) -> None:
    one, other = (codec.encode(tune(timbre=timbre)).timbre for timbre in (0, 3))
    mixes = [codec.interpolate_timbre(one, other, share) for share in (0.0, 0.5, 1.0)]
    for name in ("harmonic_BNK", "noise_BNW", "vectors"):
        torch.testing.assert_close(
            mixes[1][name], (mixes[0][name] + mixes[2][name]) / 2, atol=1e-4, rtol=1e-4
        )
    torch.testing.assert_close(mixes[0]["vectors"], one["vectors"])
    assert mixes[0]["harmonic_BNK"].shape[1] == 88


def test_factors_that_do_not_fit_are_refused_by_name(codec: Codec, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    factors = codec.encode(tune())
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
        codec.interpolate_timbre({**factors.timbre, "vectors": torch.zeros(1, 1, 3)}, factors.timbre, 0.5)
