"""Settings of generated phrases, and the constraints that envelopes put on their rhythm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


class GenerateSpec(PitchRange):
    """Configures the generator. The defaults are the reference dataset's: 5-10 notes on a 0.25 s grid."""

    notes: tuple[int, int] = Field((5, 10), description="lowest and highest number of notes of a phrase")
    grid_s: float = Field(0.25, ge=0.1, le=2.0, description="onset grid, s")
    velocity: tuple[int, int] = Field((72, 120), description="lowest and highest velocity")
    legato: float = Field(0.8, ge=0.0, le=1.0, description="share of notes held to the next onset")
    scales: tuple[Scale, ...] = Field(tuple(SCALES), min_length=1, description="scales to draw from")  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 2 <= self.notes[0] <= self.notes[1] <= 64:
            raise ValueError(f"notes: expected [fewest, most] within 2..64, in order, got {list(self.notes)}")
        if not 1 <= self.velocity[0] <= self.velocity[1] <= 127:
            raise ValueError(
                f"velocity: expected [lowest, highest] within 1..127, in order, got {list(self.velocity)}"
            )
        return self
