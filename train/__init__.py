"""The trainer: reads dataset folders, trains codecs from them, converts, evaluates, shows.

It knows nothing of the renderer; what both know is in `manifests`.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from train.codec.api import Codec, ConversionResult, load_codec
    from train.codec.recordings import Recording
    from train.systems.base import Description, Factors

__all__ = ["Codec", "ConversionResult", "Description", "Factors", "Recording", "load_codec"]

_MODULES = {
    "Codec": "train.codec.api",
    "ConversionResult": "train.codec.api",
    "Description": "train.systems.base",
    "Factors": "train.systems.base",
    "Recording": "train.codec.recordings",
    "load_codec": "train.codec.api",
}

# OpenMP's threads spin while they wait unless told otherwise, and on a machine that does anything besides
# (here: the loader's own threads) a step then takes up to four times as long. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Imports a public name when it is first used, so that `import train` loads no torch."""
        if name in _MODULES:
            return getattr(import_module(_MODULES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
