"""One sound, listened to in every way there is: each once, and only when something asks for it.

What a pair's metrics, baselines and hard cases want to hear of one sound overlaps; they share its `Ears`.
"""

from __future__ import annotations

from functools import cached_property

import numpy.typing as npt

from train.metrics.loudness import loudness
from train.metrics.onsets import detect_onsets
from train.metrics.spectral import Sound, check_sound, describe, fit_length
from train.metrics.timbre import Timbre, hear_timbre
from train.metrics.tracker import F64, Track, track


class Ears:
    """Mono audio [samples] at full scale 1; InputError names it if it cannot be scored."""

    def __init__(self, audio: npt.ArrayLike, rate: int, name: str = "sound") -> None:
        self.audio = check_sound(audio, name)
        self.rate = rate
        self.name = name

    def fitted(self, samples: int) -> Ears:
        """The sound at a target's length: cut, or filled up with silence."""
        if len(self.audio) == samples:
            return self
        return Ears(fit_length(self.audio, samples), self.rate, self.name)

    @cached_property
    def sound(self) -> Sound:
        """Its spectra and levels."""
        return describe(self.audio, self.name)

    @cached_property
    def track(self) -> Track:
        """Its pitch, by swift-f0."""
        return track(self.audio, self.rate)

    @cached_property
    def crepe(self) -> Track:
        """Its pitch, by CREPE's tiny network, which is loaded with torch and only if asked for."""
        from train.metrics.crepe import crepe_track

        return crepe_track(self.audio, self.rate)

    @cached_property
    def onsets(self) -> F64:
        """Where notes begin, as detected, in seconds."""
        return detect_onsets(self.audio, self.rate)

    @cached_property
    def timbre(self) -> Timbre | None:
        """Its MFCCs and embedding; None where it is silent."""
        return hear_timbre(self.audio, self.rate)

    @cached_property
    def lufs(self) -> float:
        """Its integrated loudness."""
        return loudness(self.audio, self.rate)
