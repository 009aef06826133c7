"""A comparison as a YAML file: which systems, for how long each, on which pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from manifests.cli.settings import first_fault
from manifests.types import InputError
from train.config import RunConfig, parse_config, read_yaml


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_Section):
    """One system: its training config (a path from the comparison's folder), and what replaces in it."""

    config: str
    changes: dict[str, Any] = {}


class CompareConfig(_Section):
    """One comparison."""

    heading: str = Field(min_length=1, description="stands over every result")
    minutes: float = Field(gt=0.0, description="training time of each system: the budget")
    pairs: int = Field(64, ge=1, description="pairs of each kind in each split")
    splits: list[str] = Field(min_length=1, description="the first is scored at the systems' own rates too")
    page_pairs: int = Field(2, ge=1)
    seed: int = Field(0, ge=0)
    systems: dict[str, Entry] = Field(min_length=1)


def load_compare(path: Path) -> tuple[CompareConfig, dict[str, RunConfig]]:
    """A comparison and the resolved training config of each system, with the budget as its time; InputError
    names file and field."""
    try:
        config = CompareConfig.model_validate(read_yaml(path, "comparison"))
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error.errors(), 'comparison')}") from None
    return config, {
        name: _run_of(path, name, entry, config.minutes) for name, entry in config.systems.items()
    }


def _run_of(path: Path, name: str, entry: Entry, minutes: float) -> RunConfig:
    file = path.parent / entry.config
    where = f"{path}: systems.{name}"
    try:
        settings = read_yaml(file, "config")
    except InputError as error:
        raise InputError(f"{where}.config: {error}") from None
    if not isinstance(settings, dict):
        raise InputError(f"{file}: expected a mapping of settings")
    return parse_config({**settings, **entry.changes, "minutes": minutes}, where)
