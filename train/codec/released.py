"""The codec that the project gives away: where its weights are, if they are there."""

from __future__ import annotations

from pathlib import Path

from manifests.types import InputError
from train.checkpoint import first_part

FOLDER = Path(__file__).parents[1] / "release"
"""What `python -m train release` wrote, put into the project."""


def released_checkpoint() -> Path:
    """The first part of the released weights; InputError where there are none, or more than one set."""
    found = [path for path in sorted(FOLDER.glob("model*.safetensors")) if first_part(path)]
    if len(found) != 1:
        raise InputError(
            f"{FOLDER}: {'no' if not found else len(found)} released codecs there;"
            " name weights by --checkpoint, such as RUN/best.safetensors"
        )
    return found[0]
