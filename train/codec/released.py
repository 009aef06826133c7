"""The released weights: package data that commands and `load_codec` use where no checkpoint is named."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from manifests.types import InputError
from train.checkpoint import first_part

FOLDER = Path(str(files("train") / "released_weights"))
"""Where the files of `python -m train release` are put: in a checkout, and from there in a wheel."""


def released_checkpoint() -> Path:
    """Returns the first file of the released weights.

    Raises InputError if the package holds no released weights, or more than one set of them.
    """
    found = [path for path in sorted(FOLDER.glob("model*.safetensors")) if first_part(path)]
    if len(found) != 1:
        raise InputError(
            f"{FOLDER}: {'no' if not found else len(found)} released weights there; name a checkpoint,"
            " such as RUN/best.safetensors of `python -m train fit` (option --checkpoint)"
        )
    return found[0]
