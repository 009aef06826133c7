"""Config of a comparison, a YAML file: systems, training time, pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from manifests.cli.settings import first_fault
from manifests.types import InputError
from train.config import RunConfig, current_names, parse_config, read_yaml


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemEntry(_Section):
    """One system: the path of its training config, and settings that replace the config's own."""

    config: str
    changes: dict[str, Any] = {}


class CompareConfig(_Section):
    """Settings of a comparison."""

    heading: str = Field(min_length=1, description="heading of every result")
    minutes: float = Field(gt=0.0, description="training time of each system")
    pairs: int = Field(64, ge=1, description="pairs of each kind in each split")
    splits: list[str] = Field(
        min_length=1, description="the first is scored at the systems' own sample rates, too"
    )
    page_pairs: int = Field(2, ge=1)
    seed: int = Field(0, ge=0)
    systems: dict[str, SystemEntry] = Field(min_length=1)


def load_compare(path: Path) -> tuple[CompareConfig, dict[str, RunConfig]]:
    """Reads a comparison, and the training config of each system, with the comparison's time.

    Raises:
        InputError: Names file and field.
    """
    try:
        config = CompareConfig.model_validate(read_yaml(path, "comparison"))
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error.errors(), 'comparison')}") from None
    return config, {
        name: _run_of(path, name, entry, config.minutes) for name, entry in config.systems.items()
    }


def _run_of(path: Path, name: str, entry: SystemEntry, minutes: float) -> RunConfig:
    file = path.parent / entry.config
    where = f"{path}: systems.{name}"
    try:
        settings = read_yaml(file, "config")
    except InputError as error:
        raise InputError(f"{where}.config: {error}") from None
    if not isinstance(settings, dict):
        raise InputError(f"{file}: expected a mapping of settings")
    merged = current_names(settings) | current_names(entry.changes) | {"minutes": minutes}
    return parse_config(merged, where)
