"""Hashes a plugin, which is one file or a bundle (VST3, macOS), and the home folder that it is given."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from manifests.dataset.canonical import sha256_file, sha256_json
from manifests.listing import list_folder
from manifests.types import shown


def plugin_sha256(path: Path) -> str:
    """Returns the SHA-256 of a plugin file; for a bundle, `folder_sha256`. Raises OSError."""
    return folder_sha256(path) if path.is_dir() else sha256_file(path)


def folder_sha256(folder: Path) -> str:
    """Returns the SHA-256 of a folder's relative file paths and file hashes, litter left out."""
    return sha256_json(
        {shown(path.relative_to(folder).as_posix()): sha256_file(path) for path in list_folder(folder).files}
    )


@lru_cache
def home_sha256(folder: Path) -> str:
    """Returns the SHA-256 of a home folder's relative paths and file hashes, hidden files included.

    It is computed once a process, because sample libraries are large. Raises OSError.

    Example: `home_sha256(Path("home"))`.
    """
    files = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return sha256_json(
        {shown(path.relative_to(folder).as_posix()): sha256_file(path) for path in files if path.is_file()}
    )
