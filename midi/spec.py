"""Settings of generated phrases, and the constraints that envelopes put on their rhythm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from manifests.synthesis.octaves import LOWEST_MEDIAN
from manifests.synthesis.phrase_constants import ENVELOPE_MARGIN_MS

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic_minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "major_pentatonic": (0, 2, 4, 7, 9),
    "minor_pentatonic": (0, 3, 5, 7, 10),
}
"""Semitones above the tonic."""

Scale = Literal[
    "major", "minor", "harmonic_minor", "dorian", "mixolydian", "major_pentatonic", "minor_pentatonic"
]


@dataclass(frozen=True, slots=True)
class Observability:
    """States the durations in ms that make every envelope observable in a generated phrase.

    One note lasts at least `longest_settle_ms`, the longest attack + hold + decay. One rest between notes,
    and the time from the last note-off to the clip's end, last at least `longest_release_ms`. `margin_ms` is
    added to each: it covers the cut fade before an onset and a moment at the level reached.
    """

    longest_settle_ms: float
    longest_release_ms: float
    margin_ms: float = ENVELOPE_MARGIN_MS

    @property
    def settle_s(self) -> float:
        """The shortest duration of the long note, in seconds."""
        return (self.longest_settle_ms + self.margin_ms) / 1000.0

    @property
    def release_s(self) -> float:
        """The shortest rest, in seconds."""
        return (self.longest_release_ms + self.margin_ms) / 1000.0


class PitchRange(BaseModel):
    """States the MIDI pitches that a phrase may use; they include the register's medians 56..67."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lowest_pitch: int = Field(48, ge=0, le=LOWEST_MEDIAN)
    highest_pitch: int = Field(79, ge=LOWEST_MEDIAN + 11, le=127)


LATER_FIELDS: dict[str, Any] = {"register": [0, 0], "staccato": 0.0, "repeats": 0.0}
"""Settings that are left out of plain data at these values, so that older fingerprints hold."""


class GenerateSpec(PitchRange):
    """Configures the generator. The defaults are the reference dataset's: 5-10 notes on a 0.25 s grid.

    `lowest_pitch` and `highest_pitch` hold for register 0. A phrase of another register is transposed by
    whole octaves, and so is its range: see `written_range`.

    Example: `GenerateSpec(register=(-1, 1), staccato=0.3, repeats=0.2).written_range()` is (36, 91).
    """

    notes: tuple[int, int] = Field((5, 10), description="lowest and highest number of notes of a phrase")
    grid_s: float = Field(0.25, ge=0.1, le=2.0, description="onset grid, s")
    velocity: tuple[int, int] = Field((72, 120), description="lowest and highest velocity")
    legato: float = Field(0.8, ge=0.0, le=1.0, description="share of notes held to the next onset")
    registers: tuple[int, int] = Field(
        (0, 0), alias="register", description="lowest and highest octave of a phrase; 0: median in 56..67"
    )
    staccato: float = Field(0.0, ge=0.0, le=1.0, description="share of phrases played staccato")
    repeats: float = Field(0.0, ge=0.0, le=1.0, description="probability that a note repeats a pitch")
    scales: tuple[Scale, ...] = Field(tuple(SCALES), min_length=1, description="scales to draw from")  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 2 <= self.notes[0] <= self.notes[1] <= 64:
            raise ValueError(f"notes: expected [fewest, most] within 2..64, in order, got {list(self.notes)}")
        if not 1 <= self.velocity[0] <= self.velocity[1] <= 127:
            raise ValueError(
                f"velocity: expected [lowest, highest] within 1..127, in order, got {list(self.velocity)}"
            )
        low, high = self.written_range()
        if self.registers[0] > self.registers[1] or low < 0 or high > 127:
            raise ValueError(
                f"register: expected [lowest, highest] octave, in order, got {list(self.registers)}:"
                f" pitches {low}..{high} must lie within 0..127"
            )
        return self

    @field_validator("registers", mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int) else value

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        # Before pydantic 2.11 a model cannot ask for its aliases.
        plain["register"] = list(plain.pop("registers", plain.get("register", ())))
        return {
            name: value
            for name, value in plain.items()
            if name not in LATER_FIELDS or value != LATER_FIELDS[name]
        }

    def written_range(self) -> tuple[int, int]:
        """Returns the lowest and the highest MIDI pitch that a phrase can have in any of its registers.

        >>> GenerateSpec(register=(-1, 0)).written_range()
        (36, 79)
        """
        low, high = self.registers
        return self.lowest_pitch + 12 * low, self.highest_pitch + 12 * high
