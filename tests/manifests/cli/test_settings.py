"""Invalid settings give one-line errors, whatever their values."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from manifests.cli.settings import LONGEST, first_fault


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    low: int = Field(ge=0)
    high: int = 5

    @model_validator(mode="after")
    def _ordered(self) -> Inner:
        if self.low > self.high:
            raise ValueError(f"low: expected at most {self.high}, got {self.low}")
        return self


class Outer(BaseModel):
    inner: Inner
    rates: list[int] = []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"inner": {"low": -1}}, "inner.low: Input should be greater than or equal to 0, got -1"),
        ({"inner": {"low": 9}}, "inner: low: expected at most 5, got 9"),
        ({"inner": {}}, "inner.low: Field required"),
        ({"inner": {"low": 1, "hihg": 3}}, "inner.hihg: unknown setting; check its spelling"),
        (3, "config: Input should be a valid dictionary or instance of Outer, got 3"),
        ({"inner": {"low": 1}, "rates": [1, "a\nb"]},
         "rates.1: Input should be a valid integer, unable to parse string as an integer, got 'a\\nb'"),
        ({"inner": {"low": -1}, "rates": 3},
         "inner.low: Input should be greater than or equal to 0, got -1 (and 1 more)"),
    ],
)  # fmt: skip
def test_an_invalid_setting_gives_a_one_line_error(value: Any, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        Outer.model_validate(value)
    assert first_fault(error.value.errors(), "config") == message


def test_long_values_are_truncated() -> None:
    with pytest.raises(ValidationError) as error:
        Outer.model_validate({"inner": "x" * 10_000})
    assert len(first_fault(error.value.errors(), "config")) < LONGEST + 100
