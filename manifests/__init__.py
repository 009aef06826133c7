"""The contract between renderer and trainer: words, envelope, tables, folder, splits, audit.

At import this package needs numpy, pandas and pyarrow, nothing else, and it imports none of the
other four packages. What only one command needs (duckdb, soundfile, scipy, typer) is imported there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manifests.reader import Dataset, RenderedClip, Triplet
    from manifests.types import ClipId, Envelope, InputError, Note

__all__ = ["ClipId", "Dataset", "Envelope", "InputError", "Note", "RenderedClip", "Triplet"]

_MODULES = {
    "ClipId": "manifests.types",
    "Dataset": "manifests.reader",
    "Envelope": "manifests.types",
    "InputError": "manifests.types",
    "Note": "manifests.types",
    "RenderedClip": "manifests.reader",
    "Triplet": "manifests.reader",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Imports a public name when it is first used, so that `import manifests` stays cheap."""
        if name in _MODULES:
            return getattr(import_module(_MODULES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
