"""The version of the package: stated once, in pyproject.toml."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "triptych-audio"
"""The name under which the package is installed."""


@lru_cache(maxsize=1)
def package_version() -> str:
    """Returns the version of the running code, such as "0.1.0".

    In a checkout that is the version in its pyproject.toml, also where another version is installed.
    Elsewhere it is the version of the installed distribution, and "unknown" where none is installed.

    Example:
        >>> package_version()
        '0.1.0'
    """
    project = Path(__file__).parents[1] / "pyproject.toml"
    if project.is_file():
        stated = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {})
        if stated.get("name") == DISTRIBUTION:
            return str(stated["version"])
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"
