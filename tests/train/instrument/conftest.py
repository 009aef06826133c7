"""Recordings of the built-in synth, and the released codec that hears them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from manifests.synthesis.compose import peak_value, to_int16
from manifests.types import Envelope, Note
from presets.host.client import SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import open_synth
from presets.tones.playing import PlayedCell, PlaySpec, play_group
from tests.support.clicks import DARK
from tests.support.envelope_cases import CUT_MS, FRAMES, RATE
from train.codec.api import Codec, load_codec
from train.systems.base import Audio, Factors

NOTES = tuple(Note(0.2 + 0.7 * index, 0.5, pitch, 110) for index, pitch in enumerate((55, 60, 64, 67)))
ENVELOPE = Envelope(5.0, 200.0, 0.6, 80.0)


@lru_cache
def dark_recording(wave: float) -> Audio:
    """Plays four notes on a dark preset of the built-in synth: float32 [samples]."""
    synth = open_synth("builtin")
    dark = Preset("dark", "dark", synth.profile.complete_parameters({**DARK, "osc1_wave": wave}), "")
    with SnapshotHost(synth, rate=RATE) as host:
        (sound,) = play_group(
            host, synth, dark, [PlayedCell(NOTES, ENVELOPE)], PlaySpec(RATE, FRAMES, CUT_MS)
        )
    return (to_int16(sound, peak_value(-1.0))[0] / 32_768).astype(np.float32)


@pytest.fixture(scope="session")
def codec() -> Codec:
    return load_codec()


@pytest.fixture(scope="session")
def sine(codec: Codec) -> Factors:
    return codec.encode(dark_recording(0.0))


@pytest.fixture(scope="session")
def saw(codec: Codec) -> Factors:
    return codec.encode(dark_recording(2.0))
