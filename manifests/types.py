"""The words of the project as data: note, phrase, envelope, clip ids.

Times are seconds for notes and milliseconds for envelopes, levels are linear 0..1, pitches are MIDI
numbers. Everything here is a plain frozen value; what is computed from it lives in its own module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Curve = Literal["linear", "exponential"]
CURVES: tuple[Curve, ...] = ("linear", "exponential")


class InputError(ValueError):
    """Something a user gave is wrong. The message is one line: what, where, expected, what to do.

    Commands print it as it is and exit with status 2; it is never used for defects of our own.
    """


@dataclass(frozen=True, slots=True)
class Note:
    """One note: onset and duration in seconds, MIDI pitch 0..127, MIDI velocity 1..127."""

    onset: float
    duration: float
    pitch: int
    velocity: int

    @property
    def off(self) -> float:
        """Note-off, in seconds."""
        return self.onset + self.duration


Notes = tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """ADSR with hold: times in ms, sustain a linear level 0..1 held until note-off.

    Its meaning as a gain curve is `manifests.synthesis.envelope.gain_curve`, the only definition there is.
    """

    attack_ms: float
    decay_ms: float
    sustain: float
    release_ms: float
    hold_ms: float = 0.0
    curve: Curve = "linear"

    def __post_init__(self) -> None:
        for name in ("attack_ms", "hold_ms", "decay_ms", "release_ms"):
            value = getattr(self, name)
            if not 0.0 <= value <= 60_000.0:
                raise InputError(f"envelope {name}: expected 0..60000 ms, got {value!r}")
        if not 0.0 <= self.sustain <= 1.0:
            raise InputError(f"envelope sustain: expected a level 0..1, got {self.sustain!r}")
        if self.curve not in CURVES:
            raise InputError(f"envelope curve: expected one of {CURVES}, got {self.curve!r}")

    def values(self) -> dict[str, float | str]:
        """The fields as a dict, in the order of the manifest's columns."""
        return {name: getattr(self, name) for name in ENVELOPE_FIELDS}


ENVELOPE_FIELDS = ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms", "curve")

SPLITS = (
    "train",
    "validation",
    "test_unseen_timbre",
    "test_unseen_envelope",
    "test_unseen_phrase",
    "test_unseen_all",
    "test_unseen_synth",
)

_KEY = re.compile(r"b(\d{6,})_t(\d{5,})_e(\d{4,})_p(\d{4,})")


@dataclass(frozen=True, slots=True, order=True)
class ClipId:
    """A clip's block and triplet ids. The key is its name in the tar: no dots, sorts by block."""

    block: int
    timbre: int
    envelope: int
    phrase: int

    @property
    def key(self) -> str:
        return f"b{self.block:06d}_t{self.timbre:05d}_e{self.envelope:04d}_p{self.phrase:04d}"

    @classmethod
    def parse(cls, key: str) -> ClipId:
        """The ids in a key such as `b000012_t00017_e0003_p0042`; InputError if it is none."""
        match = _KEY.fullmatch(key)
        if match is None:
            raise InputError(f"clip key {key!r}: expected the form b000012_t00017_e0003_p0042")
        return cls(*(int(group) for group in match.groups()))


def check_notes(notes: Sequence[Note], seconds: float) -> Notes:
    """`notes` as a monophonic phrase that fits a clip of `seconds`; InputError says which note does not."""
    if not notes:
        raise InputError("phrase: expected at least one note, got none")
    before = 0.0
    for index, note in enumerate(notes):
        where = f"phrase note {index}"
        if not 0 <= note.pitch <= 127:
            raise InputError(f"{where}: pitch {note.pitch} is not a MIDI number 0..127")
        if not 1 <= note.velocity <= 127:
            raise InputError(f"{where}: velocity {note.velocity} is not 1..127")
        if not note.duration > 0.0:
            raise InputError(f"{where}: duration {note.duration} s is not above 0")
        if note.onset < before - 1e-9:
            raise InputError(
                f"{where}: starts at {note.onset:.4f} s, before the note ahead of it ends ({before:.4f} s);"
                " a phrase is monophonic and in order"
            )
        before = note.off
    if before > seconds + 1e-9:
        raise InputError(f"phrase: last note ends at {before:.4f} s, after the clip's {seconds:.4f} s")
    return tuple(notes)
