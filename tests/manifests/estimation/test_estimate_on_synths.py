"""The envelope estimator recovers envelopes on tones of real synths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from manifests.estimation.estimate import estimate_envelope
from midi.generate import GenerateSpec
from presets.host.client import SnapshotHost
from presets.synths.synth import Synth, open_synth
from presets.tones.making import ToneSpec, make_tone_set
from tests.support.envelope_cases import (
    CUT_MS,
    RATE,
    SECONDS,
    check_estimate,
    compose_clip,
    draw_pair,
)

PITCHES = GenerateSpec(lowest_pitch=53, highest_pitch=70)
STEADY_DB = 0.1


def check_presets(synth: Synth, addresses: Sequence[str], scratch: Path) -> None:
    """Estimates eight envelopes on each preset. The presets hold their level within 0.1 dB."""
    spec = ToneSpec(RATE, SECONDS, PITCHES.lowest_pitch, PITCHES.highest_pitch)
    with SnapshotHost(synth, rate=RATE, buffer_size=512, scratch=scratch) as host:
        for number, address in enumerate(addresses):
            tones = make_tone_set(host, synth, synth.preset(address), spec)
            assert tones.level_variation_db < STEADY_DB, address
            for index in range(8 * number, 8 * number + 8):
                expected, notes = draw_pair(index, PITCHES)
                check_estimate(
                    estimate_envelope(compose_clip(expected, notes, tones.by_pitch()), notes, RATE, CUT_MS),
                    expected,
                )


def test_on_the_builtin_synth(tmp_path: Path) -> None:
    presets = ("named/hollow-square", "named/drawbar-organ", "named/brassy-fm")
    check_presets(open_synth("builtin"), presets, tmp_path)


@pytest.mark.plugins
def test_on_amsynth(amsynth: Path, tmp_path: Path) -> None:
    presets = ("BriansBank08/071", "BriansBank17/071", "PatriksBank05/083")
    check_presets(open_synth("amsynth", amsynth), presets, tmp_path)
