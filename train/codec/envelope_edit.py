"""Parses edits of an envelope: `--release-ms 120` sets a number, `--release-ms x2` doubles it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from manifests.types import CURVES, Curve, Envelope, InputError
from train.systems.base import EnvelopeTransform

NUMBERS = ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms")
NEEDED = frozenset({"attack_ms", "decay_ms", "sustain", "release_ms"})
"""Numbers that define an envelope, so that none needs to be measured."""


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit of one number of an envelope: multiplied by `value` if `factor`, else set to it."""

    value: float
    factor: bool

    def apply(self, measured: float) -> float:
        """Returns the edited number."""
        return measured * self.value if self.factor else self.value


@dataclass(frozen=True, slots=True)
class Edits:
    """Edits of an envelope: of its numbers, by name, and of its curve if `curve` is given.

    Called with a measured envelope, it returns the edited one.

    Example: `parse_edits({"release_ms": "x2"})(Envelope(5, 200, 0.5, 120)).release_ms` is 240.
    """

    numbers: dict[str, Edit]
    curve: Curve | None = None

    def __bool__(self) -> bool:
        return bool(self.numbers) or self.curve is not None

    def __call__(self, measured: Envelope) -> Envelope:
        """Returns the edited envelope. The sustain level is limited to 1.

        Raises InputError if a time exceeds 60 s.
        """
        values: dict[str, Any] = {
            name: edit.apply(getattr(measured, name)) for name, edit in self.numbers.items()
        }
        if "sustain" in values:
            values["sustain"] = min(values["sustain"], 1.0)
        return replace(measured, **values, curve=self.curve or measured.curve)

    def request(self) -> Envelope | EnvelopeTransform | None:
        """Returns the edits as the argument `envelope` of `Codec.convert`.

        That is an envelope if attack, decay, sustain and release are all set. It has no hold and is linear,
        unless these are set as well. Otherwise it is a function of the measured envelope, or None without
        edits.
        """
        if not self:
            return None
        all_set = all(not edit.factor for edit in self.numbers.values())
        if all_set and self.numbers.keys() >= NEEDED:
            return self(Envelope(0.0, 0.0, 0.0, 0.0))
        return self


def parse_edit(name: str, text: str) -> Edit:
    """Parses `120` or `x2` as an edit of the number `name`.

    Raises InputError if the text is malformed or the number is out of range.
    """
    factor = text.strip().lower().startswith("x")
    option = f"--{name.replace('_', '-')}"
    try:
        value = float(text.strip()[1:] if factor else text)
    except ValueError:
        value = -1.0
    highest = 1.0 if name == "sustain" and not factor else 60_000.0
    if not 0.0 <= value <= highest:
        raise InputError(f"{option} {text!r}: expected a number 0..{highest:g}, or a factor such as x2")
    return Edit(value, factor)


def parse_edits(given: dict[str, str | None], curve: str | None = None) -> Edits:
    """Parses the edits of numbers, by name, and of the curve. None leaves a number or the curve as it is.

    Raises InputError if an edit is malformed or out of range, or the curve is unknown.
    """
    if curve is not None and curve not in CURVES:
        raise InputError(f"--curve {curve!r}: expected one of {', '.join(CURVES)}")
    numbers = {name: parse_edit(name, text) for name, text in given.items() if text is not None}
    return Edits(numbers, curve)
