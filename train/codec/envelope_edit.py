"""An envelope by number or by factor: `--release-ms 120` sets it, `--release-ms x2` doubles the heard one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from manifests.types import CURVES, Curve, Envelope, InputError
from train.systems.base import EnvelopeTransform

NUMBERS = ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms")
NEEDED = frozenset({"attack_ms", "decay_ms", "sustain", "release_ms"})
"""Numbers that make an envelope of their own: nothing of a heard one is needed beside them."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One number of an envelope: set to `value`, or multiplied by it."""

    value: float
    factor: bool

    def apply(self, heard: float) -> float:
        return heard * self.value if self.factor else self.value


@dataclass(frozen=True, slots=True)
class Edits:
    """What is asked of an envelope: edits of its numbers by name, and its curve where that is given."""

    numbers: dict[str, Edit]
    curve: Curve | None = None

    def __bool__(self) -> bool:
        return bool(self.numbers) or self.curve is not None

    def __call__(self, heard: Envelope) -> Envelope:
        """An envelope with some of its numbers changed; a sustain level stays within 0..1."""
        values: dict[str, Any] = {
            name: edit.apply(getattr(heard, name)) for name, edit in self.numbers.items()
        }
        if "sustain" in values:
            values["sustain"] = min(values["sustain"], 1.0)
        return replace(heard, **values, curve=self.curve or heard.curve)

    def asked(self) -> Envelope | EnvelopeTransform | None:
        """As `Codec.convert` takes it: an envelope where its four numbers are given, then with no hold and
        linear unless that is said too; else a change of the heard one; None where nothing is asked."""
        if not self:
            return None
        whole = all(not edit.factor for edit in self.numbers.values())
        if whole and self.numbers.keys() >= NEEDED:
            return self(Envelope(0.0, 0.0, 0.0, 0.0))
        return self


def parse_edit(name: str, text: str) -> Edit:
    """`120` or `x2` as an edit of the number called `name`; InputError if it is neither or out of range."""
    factor = text.strip().lower().startswith("x")
    option = f"--{name.replace('_', '-')}"
    try:
        value = float(text.strip()[1:] if factor else text)
    except ValueError:
        value = -1.0
    highest = 1.0 if name == "sustain" and not factor else 60_000.0
    if not 0.0 <= value <= highest:
        raise InputError(
            f"{option} {text!r}: expected a number 0..{highest:g}, or x and a factor, such as x2,"
            " to change what is heard"
        )
    return Edit(value, factor)


def parse_edits(given: dict[str, str | None], curve: str | None = None) -> Edits:
    """The edits of the numbers that are given, and of the curve."""
    if curve is not None and curve not in CURVES:
        raise InputError(f"--curve {curve!r}: expected {' or '.join(CURVES)}")
    numbers = {name: parse_edit(name, text) for name, text in given.items() if text is not None}
    return Edits(numbers, curve)
