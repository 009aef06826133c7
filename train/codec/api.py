"""Using a trained codec: load a checkpoint, convert a recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from manifests.types import Envelope, InputError
from train.checkpoint import load_system
from train.systems.base import ALL_TAKES, Audio, Conversion, Description, Factors, Reshape, System

SHORTEST_S = 0.2
"""Recordings shorter than this hold no note to speak of."""


class Codec:
    """A trained system, whichever it is, as something that converts.

    Audio is mono float32 [n] at `rate`, full scale 1; any length from 0.2 s on.
    """

    def __init__(self, system: System, name: str) -> None:
        self.system = system.eval()
        self.name = name

    @property
    def rate(self) -> int:
        """The sample rate, in Hz, of all audio in and out."""
        return self.system.format.rate

    @property
    def by_number(self) -> bool:
        """Whether it takes envelopes by number and tells the ones it hears."""
        return self.system.by_number

    @property
    def timbres(self) -> tuple[str, ...]:
        """Names of the timbres it was trained on."""
        return self.system.format.timbres

    @torch.no_grad()
    def convert(
        self,
        source: Audio,
        reference: Audio | None = None,
        take: frozenset[str] = ALL_TAKES,
        envelope: Envelope | Reshape | None = None,
        octave: int | None = None,
    ) -> Conversion:
        """The source's notes with what `take` names ("timbre", "envelope") of the reference.

        An `envelope` given by number goes before the reference's, an `octave` before the timbre's; a
        function changes the envelope that is heard. Source and reference may differ in length and rhythm.
        The result has the source's length.
        """
        unknown = sorted(take - ALL_TAKES)
        if unknown:
            raise InputError(f"take: {unknown[0]!r} is none of {', '.join(sorted(ALL_TAKES))}")
        if reference is None and take:
            take = frozenset()
        _check(source, self.rate, "source")
        if reference is not None:
            _check(reference, self.rate, "reference")
        made = self.system.convert(source, reference, take, envelope, octave)
        if self.by_number:
            return made
        # What tells no notes cannot say that it heard none.
        said = tuple(
            f"{name}: digital silence; what is made of it means nothing"
            for name, audio in (("source", source), ("reference", reference))
            if audio is not None and not audio.any()
        )
        return replace(made, doubts=made.doubts + said)

    @property
    def own_rate(self) -> int:
        """The rate in Hz that it works at inside: its conversions hold nothing above half of it."""
        return self.system.own_rate

    @torch.no_grad()
    def oracle(self, audio: Audio) -> Audio | None:
        """A recording through the system's own way back to audio alone, nothing converted or guessed: a
        bound on its conversions. None from a system that has none."""
        _check(audio, self.rate, "recording")
        return self.system.oracle(audio)

    @torch.no_grad()
    def describe(self, audio: Audio) -> Description:
        """What is heard in a recording: notes as they sound, envelope, octave, nearest timbres."""
        _check(audio, self.rate, "recording")
        return self.system.describe(audio)

    @torch.no_grad()
    def encode(self, audio: Audio) -> Factors:
        """A recording's phrase, envelope and timbre; InputError where no note is heard."""
        _check(audio, self.rate, "recording")
        return self.system.encode(audio)

    @torch.no_grad()
    def decode(self, factors: Factors) -> Conversion:
        """Plays factors, wherever each of them comes from."""
        return self.system.decode(factors)

    @torch.no_grad()
    def blend(self, one: dict[str, Tensor], other: dict[str, Tensor], share: float) -> dict[str, Tensor]:
        """A timbre between two: `share` 0 is the one, 1 the other."""
        return self.system.blend(one, other, share)


def _check(audio: Audio, rate: int, name: str) -> None:
    if audio.ndim != 1:
        raise InputError(f"{name}: expected mono audio [samples], got shape {audio.shape}")
    if len(audio) < SHORTEST_S * rate:
        raise InputError(f"{name}: {len(audio) / rate:.3f} s long; expected at least {SHORTEST_S} s")
    if not np.isfinite(audio).all():
        raise InputError(f"{name}: holds samples that are not finite")


def load_codec(checkpoint: Path) -> Codec:
    """The codec in a checkpoint (RUN/best.safetensors); InputError if it is missing, torn or mismatched."""
    system, _, _ = load_system(checkpoint)
    return Codec(system, str(checkpoint))
