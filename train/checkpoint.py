"""Checkpoints: weights as safetensors with everything needed to use them, and the state to train on.

`NAME.safetensors` holds the averaged weights; its metadata hold the format's version, the system's name and
config, the sample rate, the cut fade, the dataset's fingerprint, the names of the train timbres, and the
version of the package that wrote them (since 0.1.0).
`NAME.state.pt` beside it holds raw weights, averages, optimisers and the place in the data; it is only ever
read with `weights_only=True`, so neither file can run code.
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
from manifests.types import InputError
from manifests.version import DISTRIBUTION, package_version
from train.config import RunConfig, parse_config
from train.systems import build
from train.systems.base import Format, System

VERSION = "1"
LOWEST_RATE, HIGHEST_RATE, LONGEST_FADE_MS = 1000, 1_000_000, 1000.0
"""What a checkpoint may say of its clips: beyond it nothing was trained, and arithmetic breaks."""


def metadata_of(config: RunConfig, system: System, step: int, fingerprint: str) -> dict[str, str]:
    """What a checkpoint says of itself."""
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
    """Writes weights and metadata, whole or not at all."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    files.replace(path, save(plain, metadata=metadata))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Weights and metadata of a checkpoint; InputError where it is missing, torn or none of ours.

    Of a released one, in parts, `path` names the first; half precision comes as single.
    """
    weights, metadata = _read_file(path)
    for number in range(2, _parts(path) + 1):
        more, other = _read_file(path.with_name(path.name.replace("-00001-", f"-{number:05d}-")))
        if other != metadata or weights.keys() & more.keys():
            raise InputError(f"{path}: its part {number} belongs to another checkpoint; copy all parts again")
        weights |= more
    return {name: w.float() if w.dtype == torch.float16 else w for name, w in weights.items()}, metadata


def part_name(number: int, count: int) -> str:
    """The name of a part of a released checkpoint."""
    return "model.safetensors" if count == 1 else f"model-{number:05d}-of-{count:05d}.safetensors"


def first_part(path: Path) -> bool:
    """Whether a released checkpoint's file is the one to name."""
    return path.name == part_name(1, 1) or path.name.startswith("model-00001-of-")


def _parts(path: Path) -> int:
    """How many parts a checkpoint has, by the name of its first."""
    found = re.fullmatch(r"model-(\d{5})-of-(\d{5})\.safetensors", path.name)
    if found is None:
        return 1
    if found[1] != "00001":
        raise InputError(f"{path}: name the first part, {part_name(1, int(found[2]))}")
    return int(found[2])


def read_metadata(path: Path) -> dict[str, str]:
    """What a checkpoint says of itself; the same errors as `read_weights`."""
    return _read_file(path, weights=False)[1]


def _read_file(path: Path, weights: bool = True) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; `python -m train fit` makes RUN/best.safetensors")
    try:
        with safe_open(path, framework="pt") as file:
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
    """InputError where something is missing or unreadable of what a checkpoint has to say of itself."""
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
    """The format of a checkpoint by its metadata; KeyError, ValueError or TypeError where they tell none."""
    rate, fade, timbres = (
        int(metadata["rate"]), float(metadata["cut_fade_ms"]), tuple(json.loads(metadata["timbres"]))
    )  # fmt: skip
    if not (LOWEST_RATE <= rate <= HIGHEST_RATE and 0.0 <= fade <= LONGEST_FADE_MS):
        raise ValueError(f"rate {rate} Hz, cut fade {fade:g} ms")
    return Format(rate, fade, tuple(map(str, timbres)))


def load_system(path: Path) -> tuple[System, RunConfig, dict[str, str]]:
    """The system that a checkpoint holds, ready to convert (on the CPU); InputError names what is amiss."""
    weights, metadata = read_weights(path)
    config = parse_config(json.loads(metadata["config"]), f"{path}: its config")
    system = build(config.system, config.model, format_of(metadata))
    load_weights(system, weights, path)
    return system.eval(), config, metadata


def load_weights(system: System, weights: dict[str, Tensor], path: Path) -> None:
    """Puts weights into a system; InputError names the first that is missing, unknown or of another shape."""
    own = system.state_dict()
    for name in sorted({*own, *weights}):
        if name not in weights:
            raise InputError(f"{path}: weight {name!r} is missing; the checkpoint is of another model")
        if name not in own:
            raise InputError(f"{path}: weight {name!r} is not part of system {system.name!r}")
        if own[name].shape != weights[name].shape:
            found, expected = tuple(weights[name].shape), tuple(own[name].shape)
            raise InputError(f"{path}: weight {name!r} has shape {found}, expected {expected}")
        if not torch.isfinite(weights[name]).all():
            raise InputError(f"{path}: weight {name!r} is not finite")
    system.load_state_dict(weights)


def start_from(system: System, path: Path) -> None:
    """Puts a checkpoint's weights into a fresh system, for other timbres or another rate.

    What names the train timbres stays as it was drawn where their names differ; InputError names whatever
    else does not fit.
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
    """Writes the state of a run, whole or not at all."""
    with files.temporary(path.parent, path.name) as temporary:
        torch.save(state, temporary)
        files.sync(temporary)
        temporary.replace(path)


def read_state(path: Path) -> dict[str, Any]:
    """The state of a run; InputError where it is torn or holds anything but plain data."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a whole training state ({reason}); start a new run folder") from None
    if not isinstance(state, dict):
        raise InputError(f"{path}: not a training state; start a new run folder")
    return state
