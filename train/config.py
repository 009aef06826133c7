"""A training run as a YAML file, checked whole before anything is read or made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from manifests.cli.settings import first_fault
from manifests.types import InputError
from train.systems import SYSTEMS


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """How the loader reads."""

    pool_blocks: int = Field(16, ge=1, le=1024, description="decoded blocks that examples are drawn from")
    threads: int = Field(2, ge=1, le=64, description="threads that read and decode, or compose, ahead")
    fresh: float = Field(
        1.0, ge=0.0, le=1.0, description="from a tone bank: share of blocks with new phrases, and envelopes"
    )
    altered: float = Field(0.0, ge=0.0, le=1.0, description="from a tone bank: share of timbres altered")


class OptimiserConfig(_Section):
    """AdamW: warm-up, constant or falling at every step, linear to zero over the last `decay` of the run."""

    learning_rate: float = Field(1e-3, gt=0.0, le=1.0)
    betas: tuple[float, float] = (0.8, 0.99)
    weight_decay: float = Field(0.01, ge=0.0, le=1.0)
    warmup_steps: int = Field(20, ge=0)
    decay: float = Field(0.5, ge=0.0, le=1.0)
    falling: float = Field(1.0, gt=0.0, le=1.0, description="factor on the rate at every step")
    clip: float = Field(1.0, gt=0.0, description="largest norm of the gradient")
    clips: dict[str, float] = Field({}, description="the same for single players, by name")
    ema: float = Field(
        0.99, ge=0.0, lt=1.0, description="decay of the averaged weights, which are what is kept"
    )


class RunConfig(_Section):
    """One training run."""

    system: str = "triptych"
    seed: int = Field(0, ge=0)
    steps: int = Field(ge=1, description="the schedule is laid out over these")
    minutes: float | None = Field(None, gt=0.0, description="stop after so much training time at the latest")
    start_from: str | None = Field(
        None, description="checkpoint of the same system and sizes, whose weights a new run begins with"
    )
    batch: int = Field(8, ge=1, le=65536, description="examples a step, over all devices")
    micro_batch: int | None = Field(
        None, ge=1, description="examples passed at once; a device passes its share in turn (none: in one)"
    )
    devices: int = Field(1, ge=1, description="on each machine")
    num_nodes: int = Field(1, ge=1, description="machines; the command is started on each")
    accelerator: Literal["cpu", "cuda", "auto"] = "cpu"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    log_every: int = Field(10, ge=1)
    save_every: int = Field(200, ge=1, description="steps between checkpoints; the last step makes one too")
    judge_every: int = Field(
        200, ge=1, description="steps between validations, which choose the best weights"
    )
    judge_pairs: int = Field(4, ge=0, description="pairs of each kind in a validation; 0: none")
    data: DataConfig = DataConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    model: Any = None


def parse_config(loaded: Any, where: str) -> RunConfig:
    """A checked config from what YAML or a checkpoint holds; InputError names the first field at fault."""
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
    """Reads and checks a YAML config; InputError names file and field."""
    return parse_config(read_yaml(path, "config"), str(path))


def read_yaml(path: Path, kind: str) -> Any:
    """What a YAML file of this kind holds; InputError names the file."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such {kind}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a {kind} ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None


def as_yaml(config: RunConfig) -> bytes:
    """A file that gives the same config when it is read, its defaults written out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False).encode()
