"""Makes clips of dark timbres.

Above 5 kHz they have next to nothing. So whatever jumps there, at an onset, a cut, a loop's seam or within a
note, is no part of the sound (`tests.support.clicks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manifests.synthesis.compose import dry, gain, peak_value, to_int16
from manifests.types import Envelope, Notes
from midi.generate import GenerateSpec
from presets.host.client import SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.making import ToneSpec, make_tone_set
from tests.support.clicks import DARK
from tests.support.envelope_cases import CUT_MS, FRAMES, RATE, draw_pair

I16 = npt.NDArray[np.int16]
Tones = dict[int, tuple[I16, float]]

PHRASES = GenerateSpec(lowest_pitch=52, highest_pitch=72)
TIMBRES: dict[str, dict[str, float]] = {
    "sine": {"osc1_wave": 0.0},
    "saw": {"osc1_wave": 2.0},
    "fifth": {"osc1_wave": 1.0, "osc2_wave": 1.0, "osc2_semitones": 7.0, "osc_mix": 0.5},
    "octaves": {"osc1_wave": 1.0, "sub_level": 0.5},
}


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
