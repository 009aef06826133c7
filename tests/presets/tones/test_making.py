"""Making tone sets: real synths, level and pitch checks, independence of earlier renders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manifests.types import InputError
from presets.host import client as host_module
from presets.host.client import GroupFailure, SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import Synth, open_synth
from presets.tones.making import TONE_RMS, group_address, make_tone_set
from presets.tones.tone_set import ToneSet
from tests.support.presets import faulty_host as faulty
from tests.support.presets.tone_sets import SPEC, assert_same_tone_set


def changed(preset: Preset, **values: float) -> Preset:
    return replace(preset, parameters={**preset.parameters, **values})


def test_tones_have_one_level_no_dc_and_the_requested_pitch(saw: ToneSet) -> None:
    assert saw.samples.shape == (10, 22050)
    assert list(saw.by_pitch()) == list(range(55, 65))
    for pitch, (samples, scale) in saw.by_pitch().items():
        tone = samples.astype(np.float64) * scale
        assert np.sqrt(np.mean(tone**2)) == pytest.approx(TONE_RMS, rel=1e-3)
        assert abs(tone.mean()) < 0.005 * TONE_RMS
        assert np.abs(samples).max() == 32767
        spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone))))
        peak_hz = float(spectrum.argmax()) * 44100 / len(tone)
        assert peak_hz == pytest.approx(440 * 2 ** ((pitch - 69) / 12), abs=2.0)
    assert (saw.octave, saw.pitch_confidence) == (0, 1.0)


@pytest.mark.parametrize("octave", [-2, -1, 1, 2])
def test_the_octave_of_a_preset_is_detected(host: SnapshotHost, synth: Synth, octave: int) -> None:
    preset = changed(synth.preset("named/bright-saw"), octave=float(octave))
    assert make_tone_set(host, synth, preset, SPEC).octave == octave


def test_a_tone_set_is_the_same_alone_and_after_others(
    synth: Synth, host: SnapshotHost, tmp_path: Path
) -> None:
    names = ("windy-saw", "growl-bass", "breathy-pipe")
    after_others = [make_tone_set(host, synth, synth.preset(f"named/{name}"), SPEC) for name in names]
    with SnapshotHost(synth, scratch=tmp_path) as fresh:
        alone = make_tone_set(fresh, synth, synth.preset(f"named/{names[-1]}"), SPEC)
    assert_same_tone_set(alone, after_others[-1])


@pytest.mark.plugins
def test_amsynth_is_the_same_alone_and_after_others(amsynth: Path, tmp_path: Path) -> None:
    synth = open_synth("amsynth", amsynth)
    presets = [synth.preset(a) for a in ("BriansBank12/053", "PatriksBank03/056", "BriansBank05/002")]
    with SnapshotHost(synth, scratch=tmp_path) as opened:
        after_others = [make_tone_set(opened, synth, preset, SPEC) for preset in presets][-1]
        again = make_tone_set(opened, synth, presets[-1], SPEC)
    with SnapshotHost(synth, scratch=tmp_path) as fresh:
        alone = make_tone_set(fresh, synth, presets[-1], SPEC)
    assert_same_tone_set(alone, after_others)
    assert_same_tone_set(again, after_others)
    assert alone.pitch_confidence == 1.0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"osc2_detune": 30.0, "osc_mix": 0.5, "osc2_wave": 2.0}, "unsteady"),
        (
            {"noise_level": 1.0, "osc_mix": 0.0, "osc1_wave": 0.0, "filter_mode": 2.0, "cutoff": 9000.0},
            "unpitched",
        ),
        ({"osc_mix": 1.0, "osc2_semitones": 7.0}, "unpitched"),
        ({"level": 0.0}, "silent"),
    ],
)
def test_a_preset_unfit_for_tones_is_refused(
    host: SnapshotHost, synth: Synth, values: dict[str, float], reason: str
) -> None:
    with pytest.raises(GroupFailure) as failure:
        make_tone_set(host, synth, changed(synth.preset("named/bright-saw"), **values), SPEC)
    assert failure.value.reason == reason


@pytest.mark.parametrize(
    ("fault", "reason"), [(faulty.NAN, "nan"), (faulty.LOUD, "clipped"), (faulty.SILENT, "silent")]
)
def test_defective_audio_is_refused_by_name(
    synth: Synth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int, reason: str
) -> None:
    monkeypatch.setattr(host_module, "PROGRAM", "tests.support.presets.faulty_host")
    spec = replace(SPEC, lowest_pitch=fault, highest_pitch=fault + 1)
    with (
        SnapshotHost(synth, scratch=tmp_path) as opened,
        pytest.raises(GroupFailure) as failure,
    ):
        make_tone_set(opened, synth, synth.preset("named/bright-saw"), spec)
    assert failure.value.reason == reason


def test_an_unpitched_preset_is_kept_where_pitch_is_not_required(host: SnapshotHost, synth: Synth) -> None:
    preset = changed(synth.preset("named/bright-saw"), osc_mix=1.0, osc2_semitones=7.0)
    kept = make_tone_set(host, synth, preset, replace(SPEC, require_pitched=False))
    assert kept.pitch_confidence < 0.75


def test_the_group_address_depends_on_everything_audible(synth: Synth) -> None:
    preset = synth.preset("named/bright-saw")
    renamed = replace(preset, name="x", address="y", parameters=dict(reversed(preset.parameters.items())))
    here = group_address(synth, preset, SPEC)
    assert group_address(synth, renamed, SPEC) == here
    others = {
        group_address(synth, changed(preset, cutoff=1000.0), SPEC),
        group_address(synth, preset, replace(SPEC, velocity=90)),
        group_address(replace(synth, plugin_sha256="0" * 64), preset, SPEC),
    }
    assert len(others | {here}) == 4


def test_an_impossible_spec_is_refused() -> None:
    with pytest.raises(InputError, match="pitches"):
        replace(SPEC, lowest_pitch=70)
