"""Features of one sound, each computed once and only when it is first asked for.

The metrics of a pair, its baselines and its hard cases share the `AudioFeatures` of each sound.
"""

from __future__ import annotations

from functools import cached_property

import numpy.typing as npt

from train.audio.highpass import highpass
from train.metrics.loudness import loudness
from train.metrics.onsets import detect_onsets
from train.metrics.spectral import SpectralFeatures, check_sound, fit_length, spectral_features
from train.metrics.timbre import TimbreFeatures, measure_timbre
from train.metrics.tracker import F64, PitchTrack, track_pitch

HIGHPASS_HZ = 45.0
"""Cutoff of the high-pass before one of the spectral distances: below the lowest notes of most phrases."""


class AudioFeatures:
    """The features of mono audio [samples] at full scale 1 and `rate` Hz; `name` stands in messages.

    Raises InputError, with the name, if the audio is empty, not mono or not finite.

    Example: `AudioFeatures(audio, 44_100).onsets` are the onsets in seconds.
    """

    def __init__(self, audio: npt.ArrayLike, rate: int, name: str = "sound") -> None:
        self.audio = check_sound(audio, name)
        self.rate = rate
        self.name = name

    def with_length(self, samples: int) -> AudioFeatures:
        """Returns the features of the sound cut, or filled up with silence, to `samples`."""
        if len(self.audio) == samples:
            return self
        return AudioFeatures(fit_length(self.audio, samples), self.rate, self.name)

    @cached_property
    def spectral(self) -> SpectralFeatures:
        """The magnitude spectra and frame levels."""
        return spectral_features(self.audio, self.name)

    @cached_property
    def spectral_highpassed(self) -> SpectralFeatures:
        """The same without what lies below `HIGHPASS_HZ`: constant offsets and rumble."""
        return spectral_features(highpass(self.audio, HIGHPASS_HZ, self.rate), self.name)

    @cached_property
    def pitch_track(self) -> PitchTrack:
        """The pitch over time, by swift-f0."""
        return track_pitch(self.audio, self.rate)

    @cached_property
    def crepe_track(self) -> PitchTrack:
        """The pitch over time, by CREPE's "tiny" network. Loads torch."""
        from train.metrics.crepe import crepe_track

        return crepe_track(self.audio, self.rate)

    @cached_property
    def onsets(self) -> F64:
        """The detected onsets in seconds, float64 [onsets], ascending."""
        return detect_onsets(self.audio, self.rate)

    @cached_property
    def timbre(self) -> TimbreFeatures | None:
        """The MFCCs and the timbre embedding, or None for silence."""
        return measure_timbre(self.audio, self.rate)

    @cached_property
    def lufs(self) -> float:
        """The integrated loudness in LUFS."""
        return loudness(self.audio, self.rate)
