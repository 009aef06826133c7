"""Writes and reads checkpoints: weights as safetensors, and the state from which a run resumes.

`NAME.safetensors` holds the averaged weights. Its metadata hold the format's version, the system's name and
config, the sample rate, the cut fade, the dataset's fingerprint, the names of the train timbres, the step,
and the version of the package (since 0.1.0).
`NAME.state.pt` holds raw and averaged weights, the optimisers' states and the step. It is only read with
`weights_only=True`. Neither file can run code.
"""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from manifests.dataset import files
from manifests.dataset.storage import utf8_name
from manifests.types import InputError
from manifests.version import DISTRIBUTION, package_version
from train.config import RunConfig, parse_config
from train.systems import build
from train.systems.base import Format, System

VERSION = "1"
LOWEST_RATE, HIGHEST_RATE, LONGEST_FADE_MS = 1000, 1_000_000, 1000.0
"""Range of the sample rate in Hz and of the cut fade in ms that are accepted from metadata."""


def metadata_of(config: RunConfig, system: System, step: int, fingerprint: str) -> dict[str, str]:
    """Returns the metadata of a checkpoint, by key.

    `fingerprint` is that of the dataset, `step` the number of steps done.
    """
    return {
        "triptych_checkpoint": VERSION,
        "system": system.name,
        "config": config.model_dump_json(),
        "rate": str(system.format.rate),
        "cut_fade_ms": repr(system.format.cut_fade_ms),
        "timbres": json.dumps(list(system.format.timbres)),
        "fingerprint": fingerprint,
        "step": str(step),
        DISTRIBUTION: package_version(),
    }


def save_weights(path: Path, weights: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes weights and metadata atomically. Raises OSError if the file cannot be written."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    files.replace(path, save(plain, metadata=metadata))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads the weights, by name, and the metadata of a checkpoint. fp16 weights are returned as float32.

    For a release in parts, `path` is the first part. Raises InputError if a file is missing, torn or no
    checkpoint, or if parts do not belong together.

    Example: `weights, metadata = read_weights(Path("RUN/best.safetensors"))`.
    """
    weights, metadata = _read_file(path)
    for number in range(2, _parts(path) + 1):
        more, other = _read_file(path.with_name(path.name.replace("-00001-", f"-{number:05d}-")))
        if other != metadata or weights.keys() & more.keys():
            raise InputError(f"{path}: its part {number} belongs to another checkpoint; copy all parts again")
        weights |= more
    return {name: w.float() if w.dtype == torch.float16 else w for name, w in weights.items()}, metadata


def part_name(number: int, count: int) -> str:
    """Returns the file name of part `number`, counted from 1, of a release in `count` parts."""
    return "model.safetensors" if count == 1 else f"model-{number:05d}-of-{count:05d}.safetensors"


def is_first_part(path: Path) -> bool:
    """Whether a file is the first part of a release, which stands for all of them."""
    return path.name == part_name(1, 1) or path.name.startswith("model-00001-of-")


def _parts(path: Path) -> int:
    """Returns the number of a checkpoint's parts, from the name of the first."""
    match = re.fullmatch(r"model-(\d{5})-of-(\d{5})\.safetensors", path.name)
    if match is None:
        return 1
    if match[1] != "00001":
        raise InputError(f"{path}: name the first part, {part_name(1, int(match[2]))}")
    return int(match[2])


def read_metadata(path: Path) -> dict[str, str]:
    """Reads the metadata of a checkpoint without its weights. Raises as `read_weights` does."""
    return _read_file(path, weights=False)[1]


def _read_file(path: Path, weights: bool = True) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; `python -m train fit` makes RUN/best.safetensors")
    try:
        with safe_open(utf8_name(path), framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys() if weights}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({error}); copy or train it again") from None
    version = metadata.get("triptych_checkpoint")
    if version != VERSION:
        raise InputError(f"{path}: checkpoint format {version!r}, this program reads {VERSION!r}")
    _check_metadata(path, metadata)
    return tensors, metadata


def _check_metadata(path: Path, metadata: dict[str, str]) -> None:
    """Raises InputError if metadata are missing or malformed."""
    try:
        format_of(metadata)
        int(metadata["step"])
        if not isinstance(json.loads(metadata["config"]), dict):
            raise TypeError("config: expected settings")
        _ = metadata["system"], metadata["fingerprint"]
    except (KeyError, ValueError, TypeError) as error:
        what = f"no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"{path}: its metadata are not a checkpoint's ({what}); copy or train it again"
        ) from None


def format_of(metadata: dict[str, str]) -> Format:
    """Parses the format in a checkpoint's metadata.

    Raises KeyError, ValueError or TypeError if it is missing or malformed.
    """
    rate, fade, timbres = (
        int(metadata["rate"]), float(metadata["cut_fade_ms"]), tuple(json.loads(metadata["timbres"]))
    )  # fmt: skip
    if not (LOWEST_RATE <= rate <= HIGHEST_RATE and 0.0 <= fade <= LONGEST_FADE_MS):
        raise ValueError(f"rate {rate} Hz, cut fade {fade:g} ms")
    return Format(rate, fade, tuple(map(str, timbres)))


def load_system(path: Path) -> tuple[System, RunConfig, dict[str, str]]:
    """Loads the system in a checkpoint on the CPU, in evaluation mode, with its config and metadata.

    Raises InputError if the file is missing, torn or no checkpoint, or if its weights do not fit its config.

    Example: `system, config, metadata = load_system(Path("RUN/best.safetensors"))`.
    """
    weights, metadata = read_weights(path)
    config = parse_config(json.loads(metadata["config"]), f"{path}: its config")
    system = build(config.system, config.model, format_of(metadata))
    load_weights(system, weights, path)
    return system.eval(), config, metadata


def load_weights(system: System, weights: dict[str, Tensor], path: Path) -> None:
    """Loads weights into a system.

    Raises InputError, which names the first weight that is missing, unknown, of another shape or not finite.
    """
    own = system.state_dict()
    weights = system.weights_of_older() | weights
    for name in sorted({*own, *weights}):
        if name not in weights:
            raise InputError(f"{path}: weight {name!r} is missing; the checkpoint is of another model")
        if name not in own:
            raise InputError(f"{path}: weight {name!r} is not part of system {system.name!r}")
        if own[name].shape != weights[name].shape:
            shape, expected = tuple(weights[name].shape), tuple(own[name].shape)
            raise InputError(f"{path}: weight {name!r} has shape {shape}, expected {expected}")
        if not torch.isfinite(weights[name]).all():
            raise InputError(f"{path}: weight {name!r} is not finite")
    system.load_state_dict(weights)


def start_from(system: System, path: Path) -> None:
    """Loads a checkpoint's weights into a new system, to fine-tune it on other timbres or at another rate.

    If the train timbres differ, the weights that depend on them keep their random values. Raises InputError
    if the checkpoint cannot be read, is of another system, or has weights of other shapes.
    """
    weights, metadata = read_weights(path)
    if metadata["system"] != system.name:
        raise InputError(f"{path}: a checkpoint of system {metadata['system']!r}, not {system.name!r}")
    if format_of(metadata).timbres != system.format.timbres:
        own = system.state_dict()
        named = [name for name in own if name.startswith(system.timbre_class_prefixes)]
        weights |= {name: own[name] for name in named}
    load_weights(system, weights, path)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes the state of a run atomically. Raises OSError if the file cannot be written."""
    with files.temporary(path.parent, path.name) as temporary:
        with temporary.open("wb") as file:
            torch.save(state, file)
        files.sync(temporary)
        temporary.replace(path)


def read_state(path: Path) -> dict[str, Any]:
    """Reads the state of a run. Raises InputError if it is torn, or holds objects other than data."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a whole training state ({reason}); start a new run folder") from None
    if not isinstance(state, dict):
        raise InputError(f"{path}: not a training state; start a new run folder")
    return state
