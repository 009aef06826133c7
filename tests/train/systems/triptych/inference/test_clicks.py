"""Conversions by the shipped codec have no clicks at onsets, cuts, loops and transposed notes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from presets.host.client import SnapshotHost
from presets.synths.synth import open_synth
from tests.support.clicks import clicks
from tests.support.dark_clips import TIMBRES, cases
from tests.support.envelope_cases import RATE
from train.codec.api import load_codec

CONVERTED_CLICK_DB = -70.0
"""Conversions stay below -71 dB: the cut of a loud note. Before tones faded in, onsets had -62 dB."""


@pytest.mark.parametrize("timbre", sorted(TIMBRES))
def test_conversions_have_no_clicks(timbre: str) -> None:
    codec, synth = load_codec(), open_synth("builtin")
    with SnapshotHost(synth, rate=RATE) as host:
        clips = [case.pcm().astype(np.float32) / 32_768 for case in cases(host, timbre, "multisample", 0, 4)]
    for source, reference in pairwise(clips):
        conversion = codec.convert(source, reference, take=frozenset({"timbre", "envelope"}))
        sound = conversion.audio
        assert clicks(sound, CONVERTED_CLICK_DB) == [], conversion.notes
        middle = round((conversion.notes[1].onset + 0.5 * conversion.notes[1].duration) * RATE)
        sound[middle:] = np.roll(sound, 20)[middle:]
        assert clicks(sound, CONVERTED_CLICK_DB) == [pytest.approx(middle / RATE, abs=0.012)]
