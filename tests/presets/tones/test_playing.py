"""`shaping: plugin`: a synth plays the requested envelopes, each group independent of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.estimation.estimate import estimate_envelope
from manifests.synthesis.compose import peak_value, to_int16
from manifests.types import Envelope, Note
from midi.generate import GenerateSpec
from presets.host.client import SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import Synth, open_synth
from presets.tones.playing import PlayedCell, PlaySpec, assign_lanes, note_gain, play_group
from tests.support import envelope_cases as estimate_cases

SPEC = PlaySpec(estimate_cases.RATE, estimate_cases.FRAMES, estimate_cases.CUT_MS)
PLAIN = {"builtin": {"osc1_wave": 2.0}, "amsynth": {"osc1_waveform": 2.0}}


def plain(synth: Synth) -> Preset:
    """Returns a steady saw preset, whose level changes by the envelope only."""
    values = synth.profile.complete_parameters(PLAIN[synth.name])
    return Preset("plain", "plain", values, "")


def cells(synth: Synth, first: int, count: int) -> list[PlayedCell]:
    """Returns random cells, without hold where the synth has none."""
    assert synth.profile.envelope is not None
    drawn = [estimate_cases.draw_pair(index, GenerateSpec()) for index in range(first, first + count)]
    if synth.profile.envelope.hold is None:
        drawn = [
            (Envelope(e.attack_ms, e.decay_ms, e.sustain, e.release_ms, 0.0, e.curve), notes)
            for e, notes in drawn
        ]
    return [PlayedCell(notes, envelope) for envelope, notes in drawn]


def deviations(synth: Synth, count: int) -> list[str]:
    """Lists the values that differ from the requested ones by more than 10% (or 5 ms, 0.5 dB)."""
    wrong = []
    with SnapshotHost(synth) as host:
        for first in range(0, count, 8):
            requested = cells(synth, first, min(8, count - first))
            for cell, sound in zip(
                requested, play_group(host, synth, plain(synth), requested, SPEC), strict=True
            ):
                pcm, _ = to_int16(sound, peak_value(-1.0))
                estimated = estimate_envelope(pcm / 32_768, cell.notes, SPEC.rate, SPEC.cut_fade_ms)
                want, got = cell.envelope, estimated.envelope
                assert estimated.attack_seen
                assert estimated.decay_seen
                for name in ("attack_ms", "decay_ms", "release_ms"):
                    if name == "release_ms" and not estimated.release_seen:
                        continue
                    asked_for, measured = getattr(want, name), getattr(got, name)
                    if abs(measured - asked_for) > max(5.0, 0.1 * asked_for):
                        wrong.append(f"{name} {asked_for:.1f} {measured:.1f} {want}")
                level = 20 * np.log10(max(got.sustain, 1e-4) / max(want.sustain, 1e-4))
                if abs(level) > 0.5 and abs(got.sustain - want.sustain) > 0.1 * want.sustain + 0.005:
                    wrong.append(f"sustain {want.sustain:.3f} {got.sustain:.3f} {want}")
    return wrong


def test_the_builtin_synth_plays_the_requested_envelope() -> None:
    assert deviations(open_synth("builtin"), 12) == []


@pytest.mark.plugins
def test_amsynth_plays_the_requested_envelope(amsynth: Path) -> None:
    assert deviations(open_synth("amsynth"), 24) == []


@pytest.mark.plugins
@pytest.mark.verify
def test_amsynth_plays_200_random_envelopes(amsynth: Path) -> None:
    assert deviations(open_synth("amsynth"), 200) == []


@pytest.mark.parametrize("name", ["builtin", pytest.param("amsynth", marks=pytest.mark.plugins)])
def test_a_group_does_not_depend_on_earlier_groups(name: str, request: pytest.FixtureRequest) -> None:
    if name == "amsynth":
        request.getfixturevalue("amsynth")
    synth = open_synth(name)
    requested, other = cells(synth, 0, 4), cells(synth, 50, 4)
    with SnapshotHost(synth) as host:
        play_group(host, synth, plain(synth), other, SPEC)
        after = play_group(host, synth, plain(synth), requested, SPEC)
    with SnapshotHost(synth) as fresh:
        alone = play_group(fresh, synth, plain(synth), requested, SPEC)
    for one, two in zip(after, alone, strict=True):
        np.testing.assert_array_equal(one, two)


def levels(sound: np.ndarray, times: list[float]) -> np.ndarray:
    """Returns the peaks over 10 ms from each of `times` (s)."""
    starts = [int(time * SPEC.rate) for time in times]
    return np.array([np.abs(sound[start : start + SPEC.rate // 100]).max() for start in starts])


@pytest.mark.parametrize("name", ["builtin", pytest.param("amsynth", marks=pytest.mark.plugins)])
def test_a_release_has_its_requested_length_and_a_new_onset_cuts_it(
    name: str, request: pytest.FixtureRequest
) -> None:
    if name == "amsynth":
        request.getfixturevalue("amsynth")
    synth = open_synth(name)
    notes = (Note(0.1, 0.3, 69, 100), Note(0.45, 0.5, 81, 100))
    cell = PlayedCell(notes, Envelope(20.0, 50.0, 0.8, 1000.0))
    with SnapshotHost(synth) as host:
        (sound,) = play_group(host, synth, plain(synth), [cell], SPEC)
    held, *released = levels(sound, [0.9, 1.2, 1.45, 1.7, 1.9]).tolist()
    # The release is linear from 0.95 s to 1.95 s, with silence after it.
    for level, left in zip(released, (0.75, 0.5, 0.25, 0.05), strict=True):
        assert level == pytest.approx(left * held, abs=0.04 * held)
    assert levels(sound, [1.97])[0] < 1e-3 * held
    # The attack of the second note starts at zero although the first was still loud.
    assert levels(sound, [0.43])[0] > 0.1 * held
    assert np.abs(sound[int(0.45 * SPEC.rate) : int(0.4505 * SPEC.rate)]).max() < 0.1 * held


def test_notes_lie_in_lanes_that_are_silent_by_their_onset() -> None:
    from manifests.synthesis.compose import spans

    notes = tuple(Note(0.25 * i, 0.25, 60, 100) for i in range(8))
    placed = spans(notes, SPEC.rate, SPEC.frames)
    assert assign_lanes(placed, 0) == [0] * 8
    assert assign_lanes(placed, SPEC.rate // 5) == [0, 1] * 4
    assert assign_lanes(placed, 2 * SPEC.rate // 5) == [0, 1, 2, 0, 1, 2, 0, 1]
    total = sum(note_gain(notes, [i for i in range(8) if i % 2 == lane], SPEC) for lane in (0, 1))
    np.testing.assert_array_equal(total, note_gain(notes, list(range(8)), SPEC))
