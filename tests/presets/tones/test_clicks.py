"""Clicks: none by spectral flux in composed and played clips, while planted ones are found.

What composing does to tones does not depend on the timbre, so dark ones tell it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from manifests.synthesis.compose import peak_value, spans, to_int16
from presets.host.client import SnapshotHost
from presets.synths.synth import Synth, open_synth
from presets.tones.playing import PlayedCell, PlaySpec, play_group
from tests.support.clicks import clicks
from tests.support.dark_clips import PHRASES, TIMBRES, Case, cases, preset
from tests.support.envelope_cases import CUT_MS, FRAMES, RATE, draw_pair

PITCHINGS = ("multisample", "one_shot")

PLAYED_CLICK_DB = -60.0
"""`CLICK_DB` where the synth plays: its filter starts with the note. Clean clips stay below -68 dB."""


@pytest.fixture(scope="module")
def synth() -> Synth:
    return open_synth("builtin")


@pytest.fixture(scope="module")
def host(synth: Synth) -> Iterator[SnapshotHost]:
    with SnapshotHost(synth, rate=RATE) as opened:
        yield opened


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
