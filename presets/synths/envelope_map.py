"""How a synth's own amplitude envelope is set: which parameters it has, and what their values mean in ms.

A profile's `envelope:` names one parameter a stage and its curve, the law from the parameter's value (in
the plugin's own unit) to ms, or for sustain to a level 0..1. Laws are known from a synth's source or
measured by `python -m presets calibrate`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from manifests.types import Curve as Shape
from manifests.types import Envelope, InputError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LinearLaw(_Strict):
    """ms (or level) = scale * value + offset."""

    kind: Literal["linear"]
    scale: float = Field(gt=0.0)
    offset: float = 0.0

    def to_ms(self, value: float) -> float:
        """What the stage lasts at a parameter value, in ms; for sustain its level."""
        return self.scale * value + self.offset

    def to_parameter(self, ms: float) -> float:
        """The parameter value for a stage of `ms` (for sustain a level); may lie outside its range."""
        return (ms - self.offset) / self.scale


class CubicLaw(_Strict):
    """ms (or level) = scale * value^3 + offset."""

    kind: Literal["cubic"]
    scale: float = Field(gt=0.0)
    offset: float = 0.0

    def to_ms(self, value: float) -> float:
        """What the stage lasts at a parameter value, in ms; for sustain its level."""
        return self.scale * value**3 + self.offset

    def to_parameter(self, ms: float) -> float:
        """The parameter value for a stage of `ms` (for sustain a level); may lie outside its range."""
        return float(np.cbrt((ms - self.offset) / self.scale))


class TableLaw(_Strict):
    """Measured points (value, ms or level), both rising.

    Between them the value is linear in the cube root of what was measured where `between` is `cubic`:
    exact for cubic laws, close for linear and exponential ones over a dozen points.
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
        """What the stage lasts at a parameter value, in ms; for sustain its level."""
        values, bent = self._bent()
        at = float(np.interp(value, values, bent))
        return at * at * at if self.between == "cubic" else at

    def to_parameter(self, ms: float) -> float:
        """The parameter value for a stage of `ms` (for sustain a level), within the table's ends."""
        values, bent = self._bent()
        return float(np.interp(np.cbrt(ms) if self.between == "cubic" else ms, bent, values))

    def _bent(self) -> tuple[list[float], list[float]]:
        values, measured = zip(*self.points, strict=True)
        return list(values), [float(np.cbrt(m)) if self.between == "cubic" else m for m in measured]


Law = Annotated[LinearLaw | CubicLaw | TableLaw, Field(discriminator="kind")]


class EnvelopeStage(_Strict):
    """One stage of the envelope: the parameter that sets it, and its law."""

    parameter: str
    curve: Law


class EnvelopeMap(_Strict):
    """A synth's own amplitude envelope. `shape` is that of its segments; without `hold` it has no hold."""

    attack: EnvelopeStage
    decay: EnvelopeStage
    sustain: EnvelopeStage
    release: EnvelopeStage
    hold: EnvelopeStage | None = None
    shape: Shape = "linear"

    def stages(self) -> dict[str, EnvelopeStage]:
        """Envelope field (`attack_ms`, ..., `sustain`) -> stage."""
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
        """The parameter values, in the plugin's units, that make the synth play `envelope`.

        `ranges` are the profile's `parameters`. What is faster than the synth can be becomes its fastest;
        what it cannot do otherwise (too slow, a hold or shape it does not have) is InputError.
        """
        if envelope.curve != self.shape:
            raise InputError(f"envelope curve {envelope.curve}: this synth's own segments are {self.shape}")
        if envelope.hold_ms > 0.0 and self.hold is None:
            raise InputError(f"envelope hold_ms {envelope.hold_ms:g}: this synth has no hold, expected 0")
        values = {}
        for name, stage in self.stages().items():
            low, high, _ = ranges[stage.parameter]
            asked = float(getattr(envelope, name))
            value = stage.curve.to_parameter(asked)
            if value > high + 1e-9 * (high - low) or asked > stage.curve.to_ms(high) * (1 + 1e-9):
                raise InputError(
                    f"envelope {name} {asked:g}: this synth reaches at most {stage.curve.to_ms(high):g}"
                )
            values[stage.parameter] = min(max(value, low), high)
        return values
