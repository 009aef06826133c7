"""Hashes a plugin: one file, or a bundle (VST3, macOS), which is a folder."""

from __future__ import annotations

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
