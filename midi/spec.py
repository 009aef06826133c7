"""What a config may ask of phrases, and what envelopes demand of them."""

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
    """What a set of envelopes demands of every generated phrase, in ms.

    Some note lasts `longest_settle_ms` (the longest attack + hold + decay), some rest before another
    note lasts `longest_release_ms`, and the last note-off leaves as much before the clip ends, each plus
    `margin_ms` (the cut fade before an onset, and a moment of the level that was reached).
    """

    longest_settle_ms: float
    longest_release_ms: float
    margin_ms: float = ENVELOPE_MARGIN_MS

    @property
    def settle_s(self) -> float:
        return (self.longest_settle_ms + self.margin_ms) / 1000.0

    @property
    def release_s(self) -> float:
        return (self.longest_release_ms + self.margin_ms) / 1000.0


class PitchRange(BaseModel):
    """The pitches for which tones exist, MIDI numbers; holds the register's medians 56..67."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lowest_pitch: int = Field(48, ge=0, le=LOWEST_MEDIAN)
    highest_pitch: int = Field(79, ge=LOWEST_MEDIAN + 11, le=127)


class GenerateSpec(PitchRange):
    """How phrases are generated. Defaults are the reference dataset's: 5-10 notes on a 0.25 s grid."""

    notes: tuple[int, int] = Field((5, 10), description="fewest and most notes of a phrase")
    grid_s: float = Field(0.25, ge=0.1, le=2.0, description="onsets lie on multiples of this, s")
    velocity: tuple[int, int] = Field((72, 120), description="lowest and highest velocity")
    legato: float = Field(0.8, ge=0.0, le=1.0, description="share of notes held to the next onset")
    scales: tuple[Scale, ...] = Field(tuple(SCALES), min_length=1, description="drawn from")  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 2 <= self.notes[0] <= self.notes[1] <= 64:
            raise ValueError(f"notes: expected [fewest, most] within 2..64, in order, got {list(self.notes)}")
        if not 1 <= self.velocity[0] <= self.velocity[1] <= 127:
            raise ValueError(
                f"velocity: expected [lowest, highest] within 1..127, in order, got {list(self.velocity)}"
            )
        return self
