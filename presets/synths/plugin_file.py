"""A plugin on the disk: one file, or (VST3, macOS) a folder that counts as one."""

from __future__ import annotations

from pathlib import Path

from manifests.dataset.canonical import sha256_file, sha256_json


def plugin_sha256(path: Path) -> str:
    """The SHA-256 of a plugin file; of a bundle that of all its files' names and hashes."""
    return folder_sha256(path) if path.is_dir() else sha256_file(path)


def folder_sha256(folder: Path) -> str:
    """The SHA-256 of what lies in a folder: relative paths and the files' hashes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sha256_json({path.relative_to(folder).as_posix(): sha256_file(path) for path in files})
