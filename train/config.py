"""Defines the settings of a training run, and reads them from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from manifests.cli.settings import first_fault
from manifests.types import InputError
from train.systems import SYSTEMS

LoggerName = Literal["tensorboard", "csv", "wandb"]
"""Name of a logger in `train.fitting.loggers`."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Settings of the loader (`data:`)."""

    pool_blocks: int = Field(16, ge=1, le=1024, description="decoded blocks that examples are drawn from")
    threads: int = Field(2, ge=1, le=64, description="threads that decode or compose blocks ahead")
    fresh: float = Field(
        1.0, ge=0.0, le=1.0, description="tone banks: share of blocks with new phrases and envelopes"
    )
    altered: float = Field(0.0, ge=0.0, le=1.0, description="tone banks: share of altered timbres")


class OptimiserConfig(_Section):
    """Settings of AdamW (Loshchilov and Hutter, 2019), its learning rate and the averaged weights."""

    learning_rate: float = Field(1e-3, gt=0.0, le=1.0, description="before warm-up and decay")
    betas: tuple[float, float] = (0.8, 0.99)
    weight_decay: float = Field(0.01, ge=0.0, le=1.0)
    warmup_steps: int = Field(20, ge=0, description="steps of the linear warm-up")
    decay: float = Field(0.5, ge=0.0, le=1.0, description="share of the run with linear decay to zero")
    lr_gamma: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        validation_alias=AliasChoices("lr_gamma", "falling"),
        description="factor on the learning rate at each step",
    )
    clip: float = Field(1.0, gt=0.0, description="largest norm of a parameter group's gradient")
    clips: dict[str, float] = Field({}, description="the same for single parameter groups, by name")
    ema: float = Field(0.99, ge=0.0, lt=1.0, description="decay of the averaged weights, which are saved")


class RunConfig(_Section):
    """Settings of a training run.

    Settings that were renamed are also read by their old names, so that older configs and checkpoints load.
    """

    system: str = Field("triptych", description="the system's name")
    seed: int = Field(0, ge=0, description="seed of the initial weights and of everything drawn later")
    steps: int = Field(ge=1, description="length of the run, which the learning rate follows")
    minutes: float | None = Field(None, gt=0.0, description="longest training time in minutes")
    start_from: str | None = Field(
        None, description="checkpoint with initial weights, of the same system and sizes"
    )
    batch: int = Field(8, ge=1, le=65536, description="examples in a step, over all devices")
    micro_batch: int | None = Field(
        None, ge=1, description="examples in a forward pass (default: a device's share of the batch)"
    )
    devices: int = Field(1, ge=1, description="devices in each machine")
    num_nodes: int = Field(1, ge=1, description="machines; start the command on each")
    accelerator: Literal["cpu", "cuda", "auto"] = "cpu"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    logger: tuple[LoggerName, ...] = Field(
        ("tensorboard",), description="tensorboard, csv, wandb, a list of these, or none"
    )
    log_every: int = Field(10, ge=1, description="steps between log entries")
    save_every: int = Field(200, ge=1, description="steps between checkpoints; the last step saves as well")
    validate_every: int = Field(
        200,
        ge=1,
        validation_alias=AliasChoices("validate_every", "judge_every"),
        description="steps between validations, which choose the best weights",
    )
    validation_pairs: int = Field(
        4,
        ge=0,
        validation_alias=AliasChoices("validation_pairs", "judge_pairs"),
        description="validation pairs of each kind; 0: no validation",
    )
    data: DataConfig = DataConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    model: Any = Field(None, description="settings of the system, see its config class")

    @field_validator("logger", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Turns a single name into a list, and "none" into an empty one."""
        names = [value] if isinstance(value, str) else value
        return [] if names == ["none"] else list(dict.fromkeys(names)) if isinstance(names, list) else names


def current_names(settings: dict[str, Any]) -> dict[str, Any]:
    """Returns a run's settings with old names of top-level settings replaced.

    Use it before settings of two files are merged, since one setting by two names is refused.

    Example: `current_names({"judge_every": 100})` returns `{"validate_every": 100}`.
    """
    names = {
        choice: name
        for name, field in RunConfig.model_fields.items()
        if isinstance(field.validation_alias, AliasChoices)
        for choice in field.validation_alias.choices
    }
    return {names.get(name, name): value for name, value in settings.items()}


def parse_config(loaded: Any, where: str) -> RunConfig:
    """Checks the content of a YAML config or of a checkpoint's metadata.

    `where` begins the error message. Raises InputError, which names the first faulty setting.

    Example: `parse_config({"steps": 100, "batch": 4}, "example").optimiser.learning_rate` is 0.001.
    """
    if not isinstance(loaded, dict):
        raise InputError(f"{where}: expected a mapping of settings")
    try:
        run = RunConfig.model_validate(loaded)
        if run.system not in SYSTEMS:
            raise InputError(f"{where}: system {run.system!r}: expected one of {', '.join(SYSTEMS)}")
        model = SYSTEMS[run.system][0].model_validate(run.model or {})
    except ValidationError as error:
        faults = error.errors()
        if error.title != RunConfig.__name__:
            faults = [{**fault, "loc": ("model", *fault["loc"])} for fault in faults]
        raise InputError(f"{where}: {first_fault(faults, 'config')}") from None
    return run.model_copy(update={"model": model})


def load_config(path: Path) -> RunConfig:
    """Reads a YAML config. Raises InputError, which names the file and the first faulty setting.

    Example: `load_config(Path("configs/train/tiny.yaml")).steps` is the length of that run.
    """
    return parse_config(read_yaml(path, "config"), str(path))


def read_yaml(path: Path, kind: str) -> Any:
    """Reads a YAML file. Raises InputError, which names the file and its `kind`, if that fails."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such {kind}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a {kind} ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None


def as_yaml(config: RunConfig) -> bytes:
    """Formats a config as YAML with all defaults, from which `load_config` reads the same config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False).encode()
