"""A small tone specification, and a comparison of tone sets."""

from __future__ import annotations

import numpy as np

from presets.tones.making import ToneSpec
from presets.tones.tone_set import ToneSet

SPEC = ToneSpec(rate=44100, seconds=0.5, lowest_pitch=55, highest_pitch=64, settle_s=0.5)


def assert_same_tone_set(a: ToneSet, b: ToneSet) -> None:
    np.testing.assert_array_equal(a.samples, b.samples)
    np.testing.assert_array_equal(a.scales, b.scales)
    np.testing.assert_array_equal(a.fingerprint, b.fingerprint)
    assert (a.sha256, a.octave, a.level_variation_db) == (b.sha256, b.octave, b.level_variation_db)
