"""Clicks: none by spectral flux in composed and played clips, while planted ones are found.

The timbres are dark: above 5 kHz they have next to nothing, so that whatever jumps there, at an onset, a
cut, a loop's seam or within a note, is no part of the sound. What composing does to tones does not depend
on the timbre.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pytest

from manifests.synthesis.compose import dry, gain, peak_value, spans, to_int16
from manifests.types import Envelope, Notes
from midi.generate import GenerateSpec
from presets.host.client import SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import Synth, open_synth
from presets.tones.making import ToneSpec, make_tone_set
from presets.tones.playing import PlayedCell, PlaySpec, play_group
from tests.support.clicks import DARK, clicks
from tests.support.envelope_cases import CUT_MS, FRAMES, RATE, draw_pair

F64 = npt.NDArray[np.float64]
I16 = npt.NDArray[np.int16]
Tones = dict[int, tuple[I16, float]]

PHRASES = GenerateSpec(lowest_pitch=52, highest_pitch=72)
TIMBRES: dict[str, dict[str, float]] = {
    "sine": {"osc1_wave": 0.0},
    "saw": {"osc1_wave": 2.0},
    "fifth": {"osc1_wave": 1.0, "osc2_wave": 1.0, "osc2_semitones": 7.0, "osc_mix": 0.5},
    "octaves": {"osc1_wave": 1.0, "sub_level": 0.5},
}
PITCHINGS = ("multisample", "one_shot")

PLAYED_CLICK_DB = -60.0
"""The same where the synth plays: its filter starts with the note. Clean clips stay below -68 dB."""


@dataclass(frozen=True)
class Case:
    """The parts of a clip. A click can be planted in any of them."""

    envelope: Envelope
    notes: Notes
    tones: Tones

    def pcm(self, cut_fade_ms: float = CUT_MS) -> I16:
        shaped = dry(self.notes, self.tones, RATE, FRAMES) * gain(
            self.notes, self.envelope, RATE, FRAMES, cut_fade_ms
        )
        return to_int16(shaped, peak_value(-1.0))[0]


@pytest.fixture(scope="module")
def synth() -> Synth:
    return open_synth("builtin")


@pytest.fixture(scope="module")
def host(synth: Synth) -> Iterator[SnapshotHost]:
    with SnapshotHost(synth, rate=RATE) as opened:
        yield opened


def preset(synth: Synth, timbre: str) -> Preset:
    return Preset(timbre, timbre, synth.profile.complete_parameters({**DARK, **TIMBRES[timbre]}), "")


def cases(host: SnapshotHost, timbre: str, pitching: str, first: int, count: int) -> Iterator[Case]:
    """Yields random envelopes and phrases on one timbre's tones."""
    tones = made_tones(host, timbre, pitching)
    for index in range(first, first + count):
        envelope, notes = draw_pair(index, PHRASES)
        yield Case(envelope, notes, tones)


@lru_cache(maxsize=16)
def made_tones(host: SnapshotHost, timbre: str, pitching: str) -> Tones:
    spec = ToneSpec(
        RATE,
        3.0,
        PHRASES.lowest_pitch,
        PHRASES.highest_pitch,
        settle_s=0.5,
        pitching="one_shot" if pitching == "one_shot" else "multisample",
        require_pitched=False,
    )
    return make_tone_set(host, host.synth, preset(host.synth, timbre), spec).by_pitch()


def assert_clean(case: Case) -> None:
    """Checks that a clip has no click, exactly the configured peak, and DC below -60 dBFS."""
    pcm = case.pcm()
    assert clicks(pcm / 32_768) == [], case.envelope
    assert np.abs(pcm.astype(np.int32)).max() == peak_value(-1.0)
    assert abs(float(pcm.mean(dtype=np.float64))) < 33.0


@pytest.mark.parametrize("pitching", PITCHINGS)
@pytest.mark.parametrize("timbre", sorted(TIMBRES))
def test_composed_clips_have_no_clicks_no_dc_and_their_peak(
    host: SnapshotHost, timbre: str, pitching: str
) -> None:
    for case in cases(host, timbre, pitching, 0, 8):
        assert_clean(case)


@pytest.mark.verify
@pytest.mark.parametrize("pitching", PITCHINGS)
@pytest.mark.parametrize("timbre", sorted(TIMBRES))
def test_a_thousand_composed_clips_have_no_clicks(host: SnapshotHost, timbre: str, pitching: str) -> None:
    for case in cases(host, timbre, pitching, 8, 125):
        assert_clean(case)


def test_played_clips_have_no_clicks(host: SnapshotHost, synth: Synth) -> None:
    cells = [PlayedCell(notes, envelope) for envelope, notes in (draw_pair(i, PHRASES) for i in range(4))]
    for timbre in ("sine", "saw"):
        for sound in play_group(host, synth, preset(synth, timbre), cells, PlaySpec(RATE, FRAMES, CUT_MS)):
            pcm = to_int16(sound, peak_value(-1.0))[0]
            assert clicks(pcm / 32_768, PLAYED_CLICK_DB) == []


@pytest.mark.parametrize("pitching", PITCHINGS)
@pytest.mark.parametrize("timbre", sorted(TIMBRES))
def test_planted_clicks_are_found(host: SnapshotHost, timbre: str, pitching: str) -> None:
    # A lead envelope: its notes are still loud where the next one cuts them.
    (case,) = cases(host, timbre, pitching, 1, 1)
    placed = spans(case.notes, RATE, FRAMES)
    legato = next(i for i in range(len(placed) - 1) if placed[i].off == placed[i].end)
    cut, middle = placed[legato].end, (placed[legato].onset + placed[legato].end) // 2
    clean = case.pcm() / 32_768

    def found_at(sound: npt.ArrayLike, sample: int) -> bool:
        return any(abs(second - sample / RATE) < 0.012 for second in clicks(sound))

    assert clicks(clean) == []
    no_attack = replace(case, envelope=replace(case.envelope, attack_ms=0.0)).pcm()
    assert found_at(no_attack / 32_768, placed[legato].onset)
    assert found_at(case.pcm(cut_fade_ms=0.0) / 32_768, cut)
    single = clean.copy()
    single[middle] += 0.003
    assert clicks(single) == [pytest.approx(middle / RATE, abs=0.012)]
    skipped = clean.copy()
    skipped[middle:] = np.roll(clean, 20)[middle:]
    assert found_at(skipped, middle)
    # Every tone loops with a step from its end to its beginning.
    crude = {pitch: (np.tile(tone[:5003], 27), scale) for pitch, (tone, scale) in case.tones.items()}
    seam = placed[legato].onset + 5003
    assert seam < placed[legato].off
    assert found_at(replace(case, tones=crude).pcm() / 32_768, seam)
