"""What one visitor of the studio has heard and set: recordings as factors, and the sound that they make.

Hearing a recording is done once. Every change of a number then plays its factors anew.
"""

from __future__ import annotations

import io
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from manifests.synthesis.midi_file import midi_file
from manifests.types import Envelope, InputError, shown
from train.audio.files import headroom
from train.codec.api import Codec, ConversionResult
from train.codec.factors import envelope_json, timbre_file
from train.codec.recordings import Recording, read_phrase
from train.systems.base import Audio, Blend, Description, Factors

Role = Literal["source", "reference"]
ROLES: tuple[Role, ...] = ("source", "reference")

MOST_SESSIONS = 32
"""Sessions that are held; the one that was used least recently goes first."""

BEAT_US = 500_000
"""Tempo of MIDI files, in µs per beat."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording and what the codec hears in it."""

    name: str
    audio: Audio
    factors: Factors
    description: Description
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the visitor has set: what is taken, the share of the reference's timbre, envelope and octave."""

    take: frozenset[str]
    share: float
    envelope: Envelope
    octave: int


@dataclass(slots=True)
class Session:
    """One visitor's recordings, and the result of the last settings.

    Attributes:
        heard: the recordings, by role.
        played: the last result; None before the first.
        settings: its settings.
        factors: its factors.
        number: counts the results.
    """

    heard: dict[Role, Heard] = field(default_factory=dict)
    played: ConversionResult | None = None
    settings: Settings | None = None
    factors: Factors | None = None
    number: int = 0
    _blend: Blend | None = None

    def hear(self, codec: Codec, role: Role, path: Path) -> Heard:
        """Hears the recording at `path`, which takes the place of the one before.

        Raises InputError with one line, which names the file without its folder, if it cannot be used.
        """
        name = shown(path.name)
        try:
            read = read_phrase(path, codec.rate)
            recording = Recording(read.audio, name, tuple(_without(line, path) for line in read.changes))
            factors = codec.encode(recording)
        except InputError as error:
            raise InputError(_without(str(error), path)) from None
        heard = Heard(name, recording.audio, factors, codec.describe(recording), recording.changes)
        self.heard[role] = heard
        if len(self.heard) == len(ROLES):
            # Prepared now, so that a change of the share is quick.
            self._blend = codec.timbre_blend(*(self.heard[role].factors.timbre for role in ROLES))
        return heard

    def measured(self, take: frozenset[str]) -> tuple[Envelope, int]:
        """Returns the envelope and the octave that were heard, in the recordings that give them.

        Times are rounded to 0.1 ms and levels to 0.001, as the page shows and plays them.
        """
        of = {name: self.giver(name, take).factors for name in ("envelope", "timbre")}
        heard = of["envelope"].envelope
        attack, hold, decay, release = (
            round(ms, 1) for ms in (heard.attack_ms, heard.hold_ms, heard.decay_ms, heard.release_ms)
        )
        rounded = Envelope(attack, decay, round(heard.sustain, 3), release, hold, heard.curve)
        return rounded, of["timbre"].octave

    def giver(self, factor: str, take: frozenset[str]) -> Heard:
        """Returns the recording that gives a factor: the reference if it is taken from it, else the source.

        Raises InputError if there is no source yet.
        """
        if "source" not in self.heard:
            raise InputError("there is no source yet: drop in or record one")
        reference = self.heard.get("reference")
        return reference if reference is not None and factor in take else self.heard["source"]

    def play(self, codec: Codec, settings: Settings) -> ConversionResult:
        """Plays the source's notes with these settings. Raises InputError if there is no source yet."""
        source = self.giver("notes", frozenset())
        giver = self.giver("timbre", settings.take) if settings.share else source
        timbre = giver.factors.timbre
        if giver is not source and settings.share < 1.0 and self._blend is not None:
            timbre = self._blend(settings.share)
        factors = replace(
            source.factors, timbre=timbre, envelope=settings.envelope, octave=settings.octave, doubts=()
        )
        self.played, self.factors, self.settings = codec.decode(factors), factors, settings
        self.number += 1
        return self.played

    def file(self, codec: Codec, name: str) -> tuple[bytes, str] | None:
        """Returns a file to listen to or to keep, and its media type; None if there is no such file (yet)."""
        role = name.removesuffix(".wav")
        if role in self.heard:
            return wav(self.heard[role].audio, codec.rate), "audio/wav"
        if self.played is None or self.factors is None:
            return None
        if name == "result.wav":
            return wav(self.played.audio, codec.rate), "audio/wav"
        if name == "result.mid":
            return midi_file(self.played.notes or (), beat_us=BEAT_US), "audio/midi"
        if name == "envelope.json":
            text = json.dumps(envelope_json(self.factors.envelope), indent=1)
            return f"{text}\n".encode(), "application/json"
        if name == "timbre.safetensors":
            return timbre_file(self.factors, codec.weights_sha256), "application/octet-stream"
        return None


def wav(audio: Audio, rate: int) -> bytes:
    """Returns mono audio, float32 [n], as the same 16-bit WAV file that `convert` writes."""
    buffer = io.BytesIO()
    factor = headroom(audio)
    scaled = audio if factor == 1.0 else audio * np.float32(factor)
    soundfile.write(buffer, scaled, rate, "PCM_16", format="WAV")
    return buffer.getvalue()


class Sessions:
    """The sessions of all visitors, each under the key that its browser chose. Nobody sees another's."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def of(self, key: str) -> Session:
        """Returns the session of a key; a new one if there is none."""
        with self._lock:
            session = self._held.setdefault(key, Session())
            self._held.move_to_end(key)
            while len(self._held) > MOST_SESSIONS:
                self._held.popitem(last=False)
            return session

    def find(self, key: str) -> Session | None:
        """Returns the session of a key, or None."""
        return self._held.get(key)

    def end(self, key: str) -> None:
        """Forgets a session, with its recordings."""
        with self._lock:
            self._held.pop(key, None)


def _without(line: str, path: Path) -> str:
    """Returns a line with the file's name in place of its path."""
    return line.replace(str(path), shown(path.name))
