"""Maps envelopes to the parameters of a synth's own amplitude envelope.

A profile's `envelope:` names a parameter for each stage, and a law: from the parameter's value (in the
plugin's unit) to ms, or for sustain to a level 0..1. Laws come from a synth's source code, or are measured
by `python -m presets calibrate`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from manifests.types import Curve as Shape
from manifests.types import Envelope, InputError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LinearLaw(_Strict):
    """Maps linearly: ms (or level) = scale * value + offset."""

    kind: Literal["linear"]
    scale: float = Field(gt=0.0)
    offset: float = 0.0

    def to_ms(self, value: float) -> float:
        """Returns the stage's duration in ms at a parameter value; for sustain, the level."""
        return self.scale * value + self.offset

    def to_parameter(self, ms: float) -> float:
        """Returns the parameter value for a duration in ms (or a level); it may be out of range."""
        return (ms - self.offset) / self.scale


class CubicLaw(_Strict):
    """Maps by a cubic: ms (or level) = scale * value^3 + offset."""

    kind: Literal["cubic"]
    scale: float = Field(gt=0.0)
    offset: float = 0.0

    def to_ms(self, value: float) -> float:
        """Returns the stage's duration in ms at a parameter value; for sustain, the level."""
        return self.scale * value**3 + self.offset

    def to_parameter(self, ms: float) -> float:
        """Returns the parameter value for a duration in ms (or a level); it may be out of range."""
        return float(np.cbrt((ms - self.offset) / self.scale))


class TableLaw(_Strict):
    """Interpolates measured points (value, ms or level), both strictly rising.

    With `between: cubic` the cube root of the ms is interpolated linearly. That is exact for cubic laws, and
    close for linear and exponential laws of a dozen points.
    """

    kind: Literal["table"]
    points: tuple[tuple[float, float], ...] = Field(min_length=2)
    between: Literal["linear", "cubic"] = "linear"

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if np.any(np.diff(np.array(self.points), axis=0) <= 0.0):
            raise ValueError("table: expected values and measurements that both rise from point to point")
        return self

    def to_ms(self, value: float) -> float:
        """Returns the stage's duration in ms at a parameter value; for sustain, the level."""
        values, transformed = self._transformed()
        at = float(np.interp(value, values, transformed))
        return at * at * at if self.between == "cubic" else at

    def to_parameter(self, ms: float) -> float:
        """Returns the parameter value for a duration in ms (or a level), clipped to the table's range."""
        values, transformed = self._transformed()
        return float(np.interp(np.cbrt(ms) if self.between == "cubic" else ms, transformed, values))

    def _transformed(self) -> tuple[list[float], list[float]]:
        """Returns the values, and the measurements or their cube roots."""
        values, measured = zip(*self.points, strict=True)
        return list(values), [float(np.cbrt(m)) if self.between == "cubic" else m for m in measured]


Law = Annotated[LinearLaw | CubicLaw | TableLaw, Field(discriminator="kind")]


class EnvelopeStage(_Strict):
    """Names the parameter that sets a stage of the envelope, and its law."""

    parameter: str
    curve: Law
    by_sustain: tuple[tuple[float, float], ...] = ()
    """Points (sustain level, factor): the time is the law's times the factor, which is interpolated."""

    @model_validator(mode="after")
    def _factors_in_order(self) -> Self:
        levels = [level for level, _ in self.by_sustain]
        if levels != sorted(set(levels)) or any(factor <= 0.0 for _, factor in self.by_sustain):
            raise ValueError("by_sustain: expected rising levels and factors above 0")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        # Left out where there is none, so that the hashes of older profiles hold.
        if not self.by_sustain:
            del plain["by_sustain"]
        return plain

    def factor(self, sustain: float) -> float:
        """Returns what the law's times are multiplied by at a sustain level."""
        if not self.by_sustain:
            return 1.0
        levels, factors = zip(*self.by_sustain, strict=True)
        return float(np.interp(sustain, levels, factors))


class EnvelopeMap(_Strict):
    """Describes a synth's own amplitude envelope; `shape` is the shape of its segments."""

    attack: EnvelopeStage
    decay: EnvelopeStage
    sustain: EnvelopeStage
    release: EnvelopeStage
    hold: EnvelopeStage | None = None
    shape: Shape = "linear"

    def stages(self) -> dict[str, EnvelopeStage]:
        """Returns the stages by envelope field (`attack_ms`, ..., `sustain`)."""
        named = {
            "attack_ms": self.attack,
            "hold_ms": self.hold,
            "decay_ms": self.decay,
            "sustain": self.sustain,
            "release_ms": self.release,
        }
        return {name: stage for name, stage in named.items() if stage is not None}

    def parameter_values(
        self, envelope: Envelope, ranges: dict[str, tuple[float, float, float]]
    ) -> dict[str, float]:
        """Returns the parameter values, in the plugin's units, that make the synth play `envelope`.

        `ranges` are the profile's `parameters`: (low, high, default). Times below the synth's shortest become
        its shortest. Raises InputError if a time is too long, or the synth lacks the hold or the shape.

        Example::

            values = profile.envelope.parameter_values(Envelope(10, 200, 0.5, 100), profile.parameters)
        """
        if envelope.curve != self.shape:
            raise InputError(f"envelope curve {envelope.curve}: this synth's own segments are {self.shape}")
        if envelope.hold_ms > 0.0 and self.hold is None:
            raise InputError(f"envelope hold_ms {envelope.hold_ms:g}: this synth has no hold, expected 0")
        values = {}
        for name, stage in self.stages().items():
            low, high, _ = ranges[stage.parameter]
            requested, factor = float(getattr(envelope, name)), stage.factor(envelope.sustain)
            value, most = stage.curve.to_parameter(requested / factor), stage.curve.to_ms(high) * factor
            if value > high + 1e-9 * (high - low) or requested > most * (1 + 1e-9):
                raise InputError(f"envelope {name} {requested:g}: this synth reaches at most {most:g}")
            values[stage.parameter] = min(max(value, low), high)
        return values
