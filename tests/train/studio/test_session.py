"""The studio's sessions: what is played, what is kept, and the commands that make the same."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from manifests.types import Envelope, InputError
from tests.support.studio import REFUSED
from tests.train.cli.test_refusals import run_and_read_error
from train.codec.api import Codec, load_codec
from train.codec.factors import read_envelope, read_timbre
from train.studio.command_lines import command_lines
from train.studio.session import MOST_SESSIONS, Session, Sessions, Settings

BOTH = frozenset({"timbre", "envelope"})


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec()


@pytest.fixture
def session(codec: Codec, recordings: dict[str, Path]) -> Session:
    made = Session()
    made.hear(codec, "source", recordings["source tune"])
    made.hear(codec, "reference", recordings["reference"])
    return made


def test_envelope_and_octave_are_those_of_the_givers(session: Session) -> None:
    source, reference = (session.heard[role].factors for role in ("source", "reference"))
    envelope, octave = session.measured(BOTH)
    assert envelope.decay_ms == pytest.approx(reference.envelope.decay_ms, abs=0.05)
    assert octave == reference.octave
    envelope, octave = session.measured(frozenset({"timbre"}))
    assert envelope.decay_ms == pytest.approx(source.envelope.decay_ms, abs=0.05)
    assert session.measured(frozenset())[1] == source.octave


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_command_lines_make_the_same_sound(
    codec: Codec, session: Session, recordings: dict[str, Path], tmp_path: Path, share: float,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    settings = Settings(BOTH, share, Envelope(12.5, 140.0, 0.35, 90.0, 3.0, "linear_exponential"), 1)
    played = session.play(codec, settings)
    for name in ("source tune", "reference"):
        (tmp_path / recordings[name].name).write_bytes(recordings[name].read_bytes())
    monkeypatch.chdir(tmp_path)
    for line in command_lines(session, settings, None).splitlines():
        program, *arguments = shlex.split(line)
        assert program == "triptych-train"
        assert run_and_read_error(monkeypatch, capsys, *arguments)[0] == 0
    made, _ = soundfile.read("result.wav")
    # Commands hear both recordings in one batch, which rounds otherwise.
    assert np.abs(made - played.audio).max() < 1e-3


def test_files_to_keep_are_those_of_the_result(codec: Codec, session: Session, tmp_path: Path) -> None:
    assert session.file(codec, "result.wav") is None
    envelope = Envelope(5.0, 100.0, 0.5, 60.0)
    played = session.play(codec, Settings(BOTH, 1.0, envelope, 0))
    names = ("result.wav", "result.mid", "envelope.json", "timbre.safetensors", "source.wav", "reference.wav")
    for name in names:
        kept = session.file(codec, name)
        assert kept is not None
        (tmp_path / name).write_bytes(kept[0])
    assert read_envelope(tmp_path) == envelope
    assert read_timbre(tmp_path, codec.weights_sha256)[1] == 0
    assert (tmp_path / "result.mid").read_bytes().count(b"\x90") >= len(played.notes or ())
    assert json.loads((tmp_path / "envelope.json").read_text())["curve"] == "linear"
    assert session.file(codec, "../secret") is None


def test_numbers_change_the_sound_and_a_blend_lies_between(codec: Codec, session: Session) -> None:
    settings = Settings(BOTH, 1.0, *session.measured(BOTH))
    one = session.play(codec, settings).audio
    longer = replace(settings, envelope=replace(settings.envelope, attack_ms=80.0))
    assert abs(session.play(codec, longer).audio[:400]).max() < abs(one[:400]).max()
    own = session.play(codec, replace(settings, take=frozenset())).audio
    assert (session.play(codec, replace(settings, share=0.0)).audio == own).all()
    middle = session.play(codec, replace(settings, share=0.5)).audio
    assert not (middle == own).all()
    assert not (middle == one).all()


@pytest.mark.parametrize("name", REFUSED)
def test_bad_recordings_are_refused_in_one_line_without_a_folder(
    codec: Codec, recordings: dict[str, Path], name: str
) -> None:
    session = Session()
    with pytest.raises(InputError) as refused:
        session.hear(codec, "source", recordings[name])
    assert str(refused.value).startswith(REFUSED[name])
    assert "\n" not in str(refused.value)
    assert str(recordings[name].parent) not in str(refused.value)
    with pytest.raises(InputError, match="there is no source yet"):
        session.measured(BOTH)


def test_sessions_are_apart_and_bounded() -> None:
    sessions = Sessions()
    first = sessions.of("a")
    assert sessions.of("a") is first
    assert sessions.of("b") is not first
    assert sessions.find("c") is None
    sessions.end("a")
    assert sessions.find("a") is None
    for number in range(2 * MOST_SESSIONS):
        sessions.of(str(number))
    assert len(sessions) == MOST_SESSIONS
    assert sessions.find("b") is None
