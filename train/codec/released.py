"""Finds the released weights, which commands and `load_codec` use if no checkpoint is given."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from manifests.types import InputError
from train.checkpoint import is_first_part

FOLDER = Path(str(files("train") / "released_weights"))
"""Folder of the released weights. A wheel built from this checkout contains it."""


def released_checkpoint() -> Path:
    """Returns the first file of the released weights.

    Raises InputError if the package holds no released weights, or more than one set of them.
    """
    parts = [path for path in sorted(FOLDER.glob("model*.safetensors")) if is_first_part(path)]
    if len(parts) != 1:
        raise InputError(
            f"{FOLDER}: {'no' if not parts else len(parts)} released weights there; name a checkpoint,"
            " such as RUN/best.safetensors of `python -m train fit` (option --checkpoint)"
        )
    return parts[0]
