"""Instruments in real players: FluidSynth plays the SoundFont, sfizz the SFZ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import hilbert

from manifests.synthesis.envelope import gain_curve
from manifests.synthesis.pitch import frequency
from manifests.types import CURVES, Curve, Envelope, Note
from tests.support.clicks import clicks_inside
from tests.support.players import RATE, play_sfz, play_soundfont
from train.codec.api import Codec
from train.instrument.instrument import Instrument, Origin, file_stem, write_instrument
from train.instrument.sampler_envelope import fit_envelope
from train.metrics.spectral import floored_mstft, spectral_features
from train.metrics.timbre import embedding_distance, measure_timbre
from train.systems.base import Factors

ORIGIN = Origin("Dark saw", "saw.wav", "ab" * 32, "CC0-1.0", "A. Tester")
FLAT = Envelope(0.0, 0.0, 1.0, 5000.0)
LARGEST_DISTANCE = 0.3
"""MSTFT (floor 0.001) of FluidSynth's render to the codec's own, level-matched."""


@pytest.fixture(scope="module")
def written(codec: Codec, saw: Factors, tmp_path_factory: pytest.TempPathFactory) -> Instrument:
    folder = tmp_path_factory.mktemp("saw")
    return write_instrument(codec, saw, replace(FLAT, attack_ms=5.0), ORIGIN, folder, 48, 72)


def test_held_notes_have_no_click_and_no_beat(written: Instrument, tmp_path: Path) -> None:
    for pitch in (49, 60, 71):
        note = Note(0.1, 6.0, pitch, 127)
        for sound in (
            play_soundfont(written.soundfont, (note,), 6.0, tmp_path),
            play_sfz(written.sfz, note, 6.0),
        ):
            held = sound[round(0.6 * RATE) : round(5.9 * RATE)]
            assert clicks_inside(held) == []
            level = 10.0 * np.log10(np.mean(held[: len(held) // 4410 * 4410].reshape(-1, 4410) ** 2, axis=1))
            assert np.ptp(level) < 1.0


def test_a_step_at_the_seam_would_be_found(codec: Codec, written: Instrument, tmp_path: Path) -> None:
    sample = written.samples[4]
    crude = np.concatenate([sample.audio_W, np.tile(sample.audio_W[-sample.loop + 37 :], 3)])
    assert len(clicks_inside(crude)) >= 3


def test_keys_are_in_tune(written: Instrument, tmp_path: Path) -> None:
    for pitch in (48, 53, 60, 64, 71, 72):
        note = Note(0.0, 2.9, pitch, 127)
        for sound in (
            play_soundfont(written.soundfont, (note,), 3.0, tmp_path),
            play_sfz(written.sfz, note, 3.0),
        ):
            heard = frequency(sound[RATE : 2 * RATE].astype(np.float32), RATE)
            assert heard is not None
            assert abs(100.0 * (69.0 + 12.0 * np.log2(heard / 440.0) - pitch)) < 3.0


def crossing(time: np.ndarray, gain: np.ndarray, start: float, level: float, rising: bool) -> float:
    """Returns when a gain curve first passes a level after `start`, in ms."""
    passed = (time >= start) & (gain >= level if rising else gain <= level)
    return float(time[np.argmax(passed)])


@pytest.mark.parametrize("curve", CURVES)
def test_the_envelope_is_the_one_asked_for(codec: Codec, sine: Factors, tmp_path: Path, curve: Curve) -> None:
    asked = Envelope(40.0, 250.0, 0.4, 200.0, 30.0, curve)
    gate, note = 1000.0, Note(0.1, 1.0, 61, 127)
    shaped, flat = (
        write_instrument(codec, sine, each, ORIGIN, tmp_path / name, 60, 62)
        for each, name in ((asked, "shaped"), (FLAT, "flat"))
    )

    def measured(play: Callable[[Instrument, Note], np.ndarray]) -> np.ndarray:
        sound, held = play(shaped, note), play(flat, replace(note, duration=1.8))
        gain = np.abs(hilbert(sound)) / np.maximum(np.abs(hilbert(held)), 1e-3)
        return np.convolve(gain, np.ones(44) / 44.0, "same")

    for gain in (
        measured(lambda each, played: play_soundfont(each.soundfont, (played,), 2.0, tmp_path)),
        measured(lambda each, played: play_sfz(each.sfz, played, 2.0)),
    ):
        time = np.arange(len(gain)) / RATE * 1000.0 - 100.0
        wanted = gain_curve(asked, gate, time)
        # Players begin notes at their next block, of 1.5 ms.
        late = crossing(time, gain, -10.0, 0.1, True) - crossing(time, wanted, -10.0, 0.1, True)
        assert -1.0 < late < 3.0
        time = time - late
        points = [(0.0, 0.9, True), (60.0, 0.46, False), (gate + 1.0, 0.04, False)]
        for (start, level, rising), since in zip(points, (0.0, 70.0, gate), strict=True):
            got = crossing(time, gain, start, level, rising) - since
            want = crossing(time + late, wanted, start, level, rising) - since
            assert got == pytest.approx(want, rel=0.05, abs=3.0), (start, level)
        left = crossing(time, gain, 60.0, 0.985, False) + 20e3 * np.log10(0.985) / fit_envelope(asked).decay
        assert left == pytest.approx(70.0, rel=0.05, abs=3.0)
        assert gain[(time > 800.0) & (time < 980.0)].mean() == pytest.approx(0.4, rel=0.05)


def test_velocities_are_as_in_our_clips(written: Instrument, tmp_path: Path) -> None:
    for play in (
        lambda note: play_soundfont(written.soundfont, (note,), 1.0, tmp_path),
        lambda note: play_sfz(written.sfz, note, 1.0),
    ):
        loud, soft = (np.abs(play(Note(0.0, 1.0, 60, velocity))).max() for velocity in (127, 40))
        assert soft / loud == pytest.approx(40 / 127, rel=0.03)


def test_fluidsynth_agrees_with_decode(codec: Codec, saw: Factors, tmp_path: Path) -> None:
    made = write_instrument(codec, saw, saw.envelope, ORIGIN, tmp_path, 36, 84)
    factors = replace(saw, octave=0)
    ours = codec.decode(factors).audio.astype(np.float64)
    theirs = play_soundfont(made.soundfont, factors.notes, len(ours) / RATE, tmp_path)
    theirs *= np.sqrt(np.sum(ours**2) / np.sum(theirs**2))
    assert floored_mstft(spectral_features(theirs), spectral_features(ours)) < LARGEST_DISTANCE
    timbres = measure_timbre(theirs, RATE), measure_timbre(ours, RATE)
    assert timbres[0] is not None
    assert timbres[1] is not None
    assert embedding_distance(timbres[0], timbres[1]) < 0.05


def test_metadata_names_origin_and_licence(written: Instrument) -> None:
    font = written.soundfont.read_bytes()
    assert font[:4] == b"RIFF"
    assert int.from_bytes(font[4:8], "little") == len(font) - 8
    for text in (b"CC0-1.0", b"saw.wav", b"ab" * 32, b"A. Tester", b"Dark saw", b"triptych-audio"):
        assert text in font[:2000]
    text = written.sfz.read_text()
    flac = soundfile.SoundFile(written.sfz.parent / "Dark-saw-samples" / "049.flac")
    assert "// licence: CC0-1.0" in text
    assert "// recording: made of the recording saw.wav" in text
    assert (flac.copyright, flac.title, flac.artist) == ("CC0-1.0", "Dark saw", "A. Tester")
    assert "saw.wav" in flac.comment


def test_the_same_factors_give_the_same_bytes(
    codec: Codec, saw: Factors, written: Instrument, tmp_path: Path
) -> None:
    again = write_instrument(codec, saw, replace(FLAT, attack_ms=5.0), ORIGIN, tmp_path, 48, 72)
    assert again.soundfont.read_bytes() == written.soundfont.read_bytes()
    assert again.sfz.read_bytes() == written.sfz.read_bytes()


@pytest.mark.parametrize(("name", "stem"), [("Läd #1 / warm", "L-d-1-warm"), ("../..", "instrument")])
def test_names_are_made_fit_for_files(name: str, stem: str) -> None:
    assert file_stem(name) == stem
