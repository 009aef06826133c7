"""The codec as an object: load a checkpoint, convert and describe recordings, take them apart and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from manifests.dataset.canonical import sha256_file
from manifests.types import Envelope, InputError, Notes
from train.audio.files import write_audio
from train.checkpoint import load_system
from train.codec.factors import read_factors, save_factors
from train.codec.recordings import AudioSource, Recording, named, named_errors, read_file, to_recording
from train.codec.released import released_checkpoint
from train.systems.base import (
    ALL_TAKES,
    Audio,
    Blend,
    ConversionRequest,
    Description,
    EnvelopeTransform,
    Factors,
    Gates,
    System,
)


@dataclass(frozen=True, slots=True)
class ConversionResult:
    """A conversion: its audio, and the notes and the envelope that were played.

    Attributes:
        audio: float32 [samples], full scale 1, as long as the source. Peaks may exceed full scale.
        rate: Sample rate of `audio` in Hz.
        notes: The notes as they sound. None from a system that tells no notes.
        envelope: The envelope that was played. None from a system that tells none.
        octave: The timbre's octave, by which the notes sound above the phrase. None from such a system, too.
        doubts: One sentence for each thing that could not be measured, and what was done instead.
        octave_probability: Probability 0..1 of the octave that was measured. None from such a system, too.
    """

    audio: Audio
    rate: int
    notes: Notes | None
    envelope: Envelope | None
    octave: int | None
    doubts: tuple[str, ...] = ()
    octave_probability: float | None = None

    def save(self, path: str | Path) -> float:
        """Writes the audio as a 16-bit WAV or FLAC file, whole or not at all.

        Audio that exceeds full scale is attenuated as a whole. Returns the factor, at most 1.

        Raises InputError if the name does not end in .wav or .flac, or the file cannot be written.
        """
        return write_audio(Path(path), self.audio, self.rate)


class Codec:
    """A trained system that converts recordings.

    A recording is the path of an audio file, a `Recording` of `read`, or a NumPy array [samples] of
    floating-point mono samples, full scale 1. Files are mixed to mono and resampled. Recordings may have any
    length from 0.2 s on.

    Example::

        codec = load_codec("RUN/best.safetensors")
        result = codec.convert("source.wav", "reference.wav", take="timbre")
        result.save("converted.wav")
    """

    def __init__(self, system: System, name: str, checkpoint: Path | None = None) -> None:
        self.system = system.eval()
        self.name = name
        self.checkpoint = checkpoint

    @property
    def rate(self) -> int:
        """The sample rate in Hz of all audio in and out."""
        return self.system.format.rate

    @property
    def own_rate(self) -> int:
        """The sample rate in Hz at which the system works: conversions hold nothing above half of it."""
        return self.system.own_rate

    @property
    def by_number(self) -> bool:
        """Whether the system takes envelopes by number, and tells the notes and envelopes of recordings."""
        return self.system.by_number

    @property
    def timbres(self) -> tuple[str, ...]:
        """The names of the timbres that the system was trained on."""
        return self.system.format.timbres

    def read(self, path: str | Path) -> Recording:
        """Reads an audio file for several calls; its `changes` say what was converted.

        Raises InputError if the file is missing, no audio, empty, or holds samples that are not finite.
        """
        return read_file(path, self.rate)

    @torch.no_grad()
    def convert(
        self,
        source: AudioSource,
        reference: AudioSource | None = None,
        take: str | Iterable[str] | None = None,
        envelope: Envelope | EnvelopeTransform | None = None,
        octave: int | Literal["source", "reference"] | None = None,
        gates: Gates = "prior",
        *,
        rate: int | None = None,
    ) -> ConversionResult:
        """Plays the source's notes with the timbre, the envelope or both of the reference.

        Args:
            source: The recording whose notes are kept. The result is as long.
            reference: The recording to take from. It may have another length and rhythm.
            take: "timbre", "envelope", "timbre,envelope", or a set of these names. By default both, where
                there is a reference. What is not taken is the source's own.
            envelope: An envelope to play in place of the measured one (ms, and a level 0..1), or a function
                that changes the measured one.
            octave: The timbre's octave, by which the notes sound above the source's phrase. "source" keeps
                the source's pitches, and "reference" plays in the reference's register. By default it is the
                most probable octave.
            gates: How note-offs are chosen: "prior" holds a note until the next onset unless its sound says
                otherwise, "heard" takes what explains the level best, "legato" holds every note.
            rate: The sample rate in Hz of arrays; the codec's by default.

        Raises InputError if a recording cannot be used (see `Codec`), if `take` names something else or has
        no reference, or if the system takes neither envelope nor octave by number.

        Example::

            codec.convert("a.wav", "b.wav", take="envelope")
            codec.convert("a.wav", envelope=Envelope(5, 200, 0.3, 120))
            codec.convert(samples, envelope=lambda e: replace(e, release_ms=2 * e.release_ms), rate=48_000)
        """
        takes = parse_take(take) if take is not None else ALL_TAKES if reference is not None else frozenset()
        given = {"source": to_recording(source, "source", self.rate, rate)}
        if reference is not None:
            given["reference"] = to_recording(reference, "reference", self.rate, rate)
        names = {argument: recording.name for argument, recording in given.items()}
        other = given["reference"].audio if reference is not None else None
        with named_errors(names):
            made = self.system.convert(
                ConversionRequest(given["source"].audio, other, takes, envelope, octave, gates)
            )
        doubts = tuple(named(line, names) for line in made.doubts)
        if not self.by_number:
            # A system that tells no notes cannot say that it found none.
            doubts += tuple(
                f"{recording.name}: digital silence; what is made of it means nothing"
                for recording in given.values()
                if not recording.audio.any()
            )
        return ConversionResult(
            made.audio, self.rate, made.notes, made.envelope, made.octave, doubts, made.octave_probability
        )

    @torch.no_grad()
    def oracle(self, audio: Audio) -> Audio | None:
        """Passes a recording through the system's own way back to audio, with nothing converted or estimated.

        It is a bound on the system's conversions: float32 [samples] in and out, at `rate`. None from a system
        that has none. Raises InputError if the recording cannot be used.
        """
        return self.system.oracle(to_recording(audio, "recording", self.rate).audio)

    @torch.no_grad()
    def describe(self, recording: AudioSource, *, rate: int | None = None) -> Description:
        """Measures a recording: its notes as they sound, envelope, octave, and the nearest known timbres.

        `rate` is the sample rate of an array in Hz; the codec's by default.

        Raises InputError if the recording cannot be used, or the system does not tell notes and envelopes.

        Example::

            codec.describe("a.wav").envelope.release_ms
        """
        given = to_recording(recording, "recording", self.rate, rate)
        names = {"recording": given.name}
        with named_errors(names):
            described = self.system.describe(given.audio)
        return replace(described, doubts=tuple(named(line, names) for line in described.doubts))

    @torch.no_grad()
    def encode(self, recording: AudioSource, *, rate: int | None = None) -> Factors:
        """Takes a recording apart: its notes, its envelope and its timbre.

        `rate` is the sample rate of an array in Hz; the codec's by default.

        Raises InputError if the recording cannot be used, if no note is found in it, or if the system has no
        such factors.

        Example::

            a, b = codec.encode("a.wav"), codec.encode("b.wav")
            codec.decode(replace(a, timbre=b.timbre)).save("a_as_b.wav")
        """
        given = to_recording(recording, "recording", self.rate, rate)
        names = {"recording": given.name}
        with named_errors(names):
            factors = self.system.encode(given.audio)
        return replace(factors, doubts=tuple(named(line, names) for line in factors.doubts))

    @torch.no_grad()
    def decode(self, factors: Factors | str | Path) -> ConversionResult:
        """Plays factors, wherever each of them comes from: an object, or a folder of `save_factors`.

        Raises InputError if a factor does not fit the system, or the folder cannot be read.
        """
        if isinstance(factors, str | Path):
            factors = self.load_factors(factors)
        made = self.system.decode(factors)
        return ConversionResult(made.audio, self.rate, made.notes, made.envelope, made.octave, made.doubts)

    @torch.no_grad()
    def interpolate_timbre(
        self, start: dict[str, Tensor], end: dict[str, Tensor], share: float
    ) -> dict[str, Tensor]:
        """Interpolates between two timbres as `timbre_blend` does, for one share."""
        return self.timbre_blend(start, end)(share)

    @torch.no_grad()
    def timbre_blend(self, start: dict[str, Tensor], end: dict[str, Tensor]) -> Blend:
        """Prepares interpolations between two timbres: share 0 is `start`, 1 is `end`; each is then quick.

        Raises InputError if a timbre does not fit. Example: `codec.timbre_blend(a.timbre, b.timbre)(0.5)`
        """
        return self.system.timbre_blend(start, end)

    @cached_property
    def weights_sha256(self) -> str:
        """The SHA-256 of the checkpoint's file, which timbres on disk name.

        Raises InputError if the codec was not loaded from a file.
        """
        if self.checkpoint is None:
            raise InputError(
                f"{self.name}: was not loaded from a checkpoint, so timbres cannot name its weights"
            )
        return sha256_file(self.checkpoint)

    def save_factors(self, factors: Factors, folder: str | Path) -> None:
        """Writes factors as notes.json, envelope.json and timbre.safetensors; see `train.codec.factors`.

        Raises InputError if the codec was not loaded from a checkpoint, OSError if a file cannot be written.
        """
        save_factors(Path(folder), factors, self.rate, self.weights_sha256)

    def load_factors(self, folder: str | Path) -> Factors:
        """Reads the factors in a folder.

        Raises InputError if a file is missing or malformed, or the timbre is of other weights.
        """
        return read_factors(Path(folder), self.rate, self.weights_sha256)


def parse_take(take: str | Iterable[str], argument: str = "take") -> frozenset[str]:
    """Returns the names in "timbre,envelope", or in a collection of names, as a set.

    Raises InputError, which begins with `argument`, if a name is neither, or a string holds none.
    """
    parts = take.split(",") if isinstance(take, str) else take
    takes = frozenset(part.strip() for part in parts if part.strip())
    if takes - ALL_TAKES or (isinstance(take, str) and not takes):
        asked = take if isinstance(take, str) else ",".join(sorted(takes))
        raise InputError(f"{argument} {asked!r}: expected timbre, envelope or timbre,envelope")
    return takes


def load_codec(checkpoint: str | Path | None = None) -> Codec:
    """Loads the codec in a checkpoint, on the CPU; the released one if none is named.

    Args:
        checkpoint: RUN/best.safetensors of a training run, or the first file of a release.

    Raises InputError if the file is missing, torn or of another model, or if no checkpoint is named and the
    package holds no released weights.

    Example::

        codec = load_codec("RUN/best.safetensors")
        codec.convert("source.wav", "reference.wav").save("converted.wav")
    """
    path = released_checkpoint() if checkpoint is None else Path(checkpoint)
    system, _, _ = load_system(path)
    return Codec(system, str(path), path)
