"""The built-in synth and its bank: presets fit for tones, no two similar, no aliasing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from manifests.splits.clusters import timbres_alike
from manifests.types import InputError, Note
from presets.host.client import GroupFailure, GroupJob, SnapshotHost
from presets.synths.synth import Synth, open_synth
from presets.tones.making import ToneSpec, make_tone_set

RATE = 44100
SPEC = ToneSpec(rate=RATE, seconds=0.5, lowest_pitch=52, highest_pitch=57, settle_s=0.75)


@pytest.fixture(scope="module")
def synth() -> Synth:
    return open_synth("builtin")


@pytest.fixture(scope="module")
def host(synth: Synth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnapshotHost]:
    with SnapshotHost(synth, scratch=tmp_path_factory.mktemp("hosts")) as opened:
        yield opened


def play(host: SnapshotHost, note: Note, seconds: float, **values: float) -> np.ndarray:
    """Renders one note of the default preset with `values` set past the pins: float32 [samples]."""
    profile = host.synth.profile
    settings = profile.host_values(profile.complete_parameters({})) | values
    return host.render(GroupJob(settings, (note,), seconds))[0]


def test_every_named_preset_passes_and_no_two_are_similar(host: SnapshotHost, synth: Synth) -> None:
    presets = synth.presets()
    assert len(presets) >= 64
    made = [make_tone_set(host, synth, preset, SPEC) for preset in presets]
    same = np.argwhere(np.triu(timbres_alike(np.array([tones.fingerprint for tones in made])), 1))
    assert [(presets[i].name, presets[j].name) for i, j in same] == []
    assert {tones.octave for tones in made} >= {-2, -1, 0, 1, 2}
    assert np.median([tones.level_variation_db for tones in made]) < 0.2


def test_a_random_preset_is_independent_of_others(synth: Synth) -> None:
    many = [synth.random_preset(5, index) for index in range(20)]
    assert synth.random_preset(5, 13) == many[13]
    assert synth.preset(many[13].address) == many[13]
    assert synth.random_preset(6, 13).parameters != many[13].parameters
    assert len({tuple(preset.parameters.values()) for preset in many}) == 20


def test_most_random_presets_are_fit_for_tones(host: SnapshotHost, synth: Synth) -> None:
    passed = 0
    for index in range(16):
        with suppress(GroupFailure):
            make_tone_set(host, synth, synth.random_preset(1, index), SPEC)
            passed += 1
    assert passed >= 12


def test_a_synth_without_a_generator_has_no_random_presets() -> None:
    banks_only = Synth("amsynth", open_synth("builtin").plugin_path, "0" * 64)
    assert not banks_only.has_random_presets
    with pytest.raises(InputError, match="no random presets"):
        banks_only.random_preset(1, 1)


@pytest.mark.parametrize("wave", [1.0, 2.0, 3.0], ids=["triangle", "saw", "pulse"])
@pytest.mark.parametrize("pitch", [60, 84, 96])
def test_waves_are_band_limited(host: SnapshotHost, wave: float, pitch: int) -> None:
    sound = play(
        host, Note(0.0, 1.5, pitch, 100), 1.5, osc1_wave=wave, osc1_width=0.3, cutoff=18000.0, key_track=0.0
    )
    piece = sound[RATE // 4 : RATE // 4 + RATE].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(piece * np.blackman(RATE))) ** 2
    frequency = np.arange(len(spectrum))
    fundamental = 440.0 * 2.0 ** ((pitch - 69) / 12)
    away = np.abs(frequency - fundamental * np.rint(frequency / fundamental)) > 6
    audible = frequency < 16000
    aliases = spectrum[away & audible].sum() / spectrum.sum()
    assert 10 * np.log10(aliases) < -54


def test_no_direct_current(host: SnapshotHost) -> None:
    sound = play(host, Note(0.0, 2.0, 60, 100), 2.0, osc1_wave=0.0, fm_ratio=1.0, fm_index=3.0)
    assert abs(sound[RATE:].mean()) < 0.002 * np.abs(sound).max()


def test_the_same_note_is_the_same_after_other_notes(host: SnapshotHost) -> None:
    profile = host.synth.profile
    settings = profile.host_values(profile.complete_parameters({"cutoff": 1500.0, "resonance": 0.6}))
    notes = (Note(0.0, 0.5, 72, 100), Note(1.0, 0.5, 60, 100), Note(2.0, 0.5, 60, 100))
    sound = host.render(GroupJob(settings, notes, 3.0))[0]
    second, third = sound[RATE : 2 * RATE], sound[2 * RATE : 3 * RATE]
    np.testing.assert_allclose(second, third, rtol=0, atol=1e-6)
