"""An envelope by number or by factor: `--release-ms 120` sets it, `--release-ms x2` doubles the heard one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from manifests.vocabulary import BadInput, Envelope

NUMBERS = ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms")


@dataclass(frozen=True, slots=True)
class Edit:
    """One number of an envelope: set to `value`, or multiplied by it."""

    value: float
    factor: bool

    def apply(self, heard: float) -> float:
        return heard * self.value if self.factor else self.value


def parse_edit(name: str, text: str) -> Edit:
    """`120` or `x2` as an edit of the number called `name`; BadInput where it is neither or out of range."""
    factor = text.strip().lower().startswith("x")
    option = f"--{name.replace('_', '-')}"
    try:
        value = float(text.strip()[1:] if factor else text)
    except ValueError:
        value = -1.0
    highest = 1.0 if name == "sustain" and not factor else 60_000.0
    if not 0.0 <= value <= highest:
        raise BadInput(
            f"{option} {text!r}: expected a number 0..{highest:g}, or x and a factor, such as x2,"
            " to change what is heard"
        )
    return Edit(value, factor)


def parse_edits(given: dict[str, str | None]) -> dict[str, Edit]:
    """The edits of the numbers that are given."""
    return {name: parse_edit(name, text) for name, text in given.items() if text is not None}


def edited(envelope: Envelope, edits: dict[str, Edit]) -> Envelope:
    """An envelope with some of its numbers changed; a sustain level stays within 0..1."""
    values: dict[str, Any] = envelope.values()
    for name, edit in edits.items():
        values[name] = edit.apply(values[name])
    values["sustain"] = min(values["sustain"], 1.0)
    return Envelope(**values)
