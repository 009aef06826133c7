"""Defines the project's value types: note, envelope, clip id, and InputError.

Times are seconds for notes and milliseconds for envelopes. Levels are linear 0..1, pitches MIDI numbers.
Every type is a frozen value; computations live in their own modules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, NamedTuple

from pydantic import AfterValidator


class InputError(ValueError):
    """An error in a user's input. The message is one line: place, fault, what was expected, what to do.

    Commands print the message and exit with status 2. It never stands for a defect of this program.
    """


def shown(text: str, ascii_only: bool = False) -> str:
    """Returns text as it can be shown and stored: what is not printable is escaped.

    Bytes of a file's name that are no UTF-8 become `\\xNN`. With `ascii_only`, so does all that is not ASCII.

    >>> shown("caf\\udce9 [v2].wav")
    'caf\\\\xe9 [v2].wav'
    """
    return "".join(_shown(one, ascii_only) for one in text)


def _shown(one: str, ascii_only: bool) -> str:
    if one.isprintable() and (one.isascii() or not ascii_only):
        return one
    # Python holds a byte of a name that is no UTF-8 as one of these lone surrogates.
    byte = ord(one) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else one.encode("unicode_escape").decode("ascii")


class Constants(NamedTuple):
    """The constant k of each kind of segment; see `manifests.synthesis.envelope`. 0 is a straight line."""

    attack: float
    decay: float
    release: float


CURVES = ("linear", "linear_exponential", "exponential")
"""Named shapes of an envelope's segments; `linear_exponential` has a linear attack and exponential falls."""
_NAMED = dict(zip(CURVES, (Constants(0, 0, 0), Constants(0, 5, 5), Constants(5, 5, 5)), strict=True))
MAX_CONSTANT = 12.0
"""Largest constant: a segment of 12 covers all but 6e-6 of an RC curve."""


@lru_cache(maxsize=4096)
def curve_constants(curve: str) -> Constants:
    """Returns the constants of a curve: one of `CURVES`, or the constants of attack, decay and release.

    Raises InputError for another text, or a constant outside -12..12.

    >>> curve_constants("linear_exponential"), curve_constants("0/2.5/-3").decay
    (Constants(attack=0, decay=5, release=5), 2.5)
    """
    if curve in _NAMED:
        return _NAMED[curve]
    try:
        constants = Constants(*(float(part) for part in curve.split("/")))
    except (TypeError, ValueError):
        constants = Constants(*3 * (float("nan"),))
    if not all(abs(k) <= MAX_CONSTANT for k in constants):
        raise InputError(
            f"envelope curve: expected one of {CURVES}, or three constants within -12..12 such as '0/3/5',"
            f" got {curve!r}"
        )
    return constants


def curve_of(attack: float, decay: float, release: float) -> str:
    """Spells a curve by its constants, rounded to 0.01: by its name if it has one.

    >>> curve_of(0, 5, 5), curve_of(0, 2.504, -3)
    ('linear_exponential', '0/2.5/-3')
    """
    # Adding 0 makes -0 a 0.
    rounded = Constants(*(round(float(k), 2) + 0.0 for k in (attack, decay, release)))
    known = [name for name, constants in _NAMED.items() if constants == rounded]
    return known[0] if known else "/".join(f"{k:g}" for k in rounded)


def checked_curve(curve: str) -> str:
    """Returns the canonical spelling of a curve; raises InputError if it is none.

    >>> checked_curve("5/5.0/5")
    'exponential'
    """
    return curve_of(*curve_constants(curve))


Curve = Annotated[str, AfterValidator(checked_curve)]
"""A curve as configs, profiles and tables spell it; see `curve_constants`."""
DEFAULT_CURVE: Curve = "linear"
"""Shape of an envelope's segments where nothing else is stated, in configs too."""


MOST_IN_MESSAGE = 5
"""Errors that the message of several spells out; commands print all."""


class InputErrors(InputError):
    """Several errors in a user's input, such as all damaged files of a folder; `lines` has one for each.

    Example: `InputErrors(["a.mid: damaged", "b.mid: damaged"]).lines[1]` is "b.mid: damaged".
    """

    def __init__(self, lines: Sequence[str], advice: str = "") -> None:
        self.lines, self.advice = list(lines), advice
        some = [*lines[:MOST_IN_MESSAGE], *(["…"] if len(lines) > MOST_IN_MESSAGE else [])]
        counted = lines[0] if len(lines) == 1 else f"{len(lines)} errors: {'; '.join(some)}"
        super().__init__(f"{counted}; {advice}" if advice else counted)

    def __reduce__(self) -> tuple[type[InputErrors], tuple[list[str], str]]:
        return InputErrors, (self.lines, self.advice)


@dataclass(frozen=True, slots=True)
class Note:
    """A note: onset and duration in seconds, MIDI pitch 0..127, MIDI velocity 1..127.

    Example: `Note(onset=0.5, duration=0.25, pitch=60, velocity=100).off` is 0.75.
    """

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
    """An ADSR envelope with hold: times in ms, sustain as a linear level 0..1 held until note-off.

    `manifests.synthesis.envelope.gain_curve` is its only definition as a gain curve. Raises InputError if a
    time is outside 0..60000 ms, the sustain level outside 0..1, or the curve unknown.

    Example: `Envelope(attack_ms=10, decay_ms=200, sustain=0.5, release_ms=120)`.
    """

    attack_ms: float
    decay_ms: float
    sustain: float
    release_ms: float
    hold_ms: float = 0.0
    curve: Curve = DEFAULT_CURVE

    def __post_init__(self) -> None:
        for name in ("attack_ms", "hold_ms", "decay_ms", "release_ms"):
            value = getattr(self, name)
            if not 0.0 <= value <= 60_000.0:
                raise InputError(f"envelope {name}: expected 0..60000 ms, got {value!r}")
        if not 0.0 <= self.sustain <= 1.0:
            raise InputError(f"envelope sustain: expected a level 0..1, got {self.sustain!r}")
        curve_constants(self.curve)

    def values(self) -> dict[str, float | str]:
        """Returns the fields as a dict, in the order of the manifest's columns."""
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
    """A clip's block and triplet ids. `key` is its name in the tar; it has no dots and sorts by block."""

    block: int
    timbre: int
    envelope: int
    phrase: int

    @property
    def key(self) -> str:
        return f"b{self.block:06d}_t{self.timbre:05d}_e{self.envelope:04d}_p{self.phrase:04d}"

    @classmethod
    def parse(cls, key: str) -> ClipId:
        """Parses a key such as `b000012_t00017_e0003_p0042`; raises InputError if it is malformed."""
        match = _KEY.fullmatch(key)
        if match is None:
            raise InputError(f"clip key {key!r}: expected the form b000012_t00017_e0003_p0042")
        return cls(*(int(group) for group in match.groups()))


def check_notes(notes: Sequence[Note], seconds: float) -> Notes:
    """Returns `notes` as a phrase; raises InputError unless it is monophonic and fits a clip of `seconds`.

    >>> check_notes([Note(0.0, 4.0, 60, 100)], seconds=3.0)
    Traceback (most recent call last):
    manifests.types.InputError: phrase: last note ends at 4.0000 s, after the clip's 3.0000 s
    """
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
