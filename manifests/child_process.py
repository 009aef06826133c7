"""Child Python processes that import the same packages as this one, whatever the working folder holds.

`python -m` puts the working folder first on `sys.path`. A user's own `render/` or `train.py` there would be
imported in place of ours.
"""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds our packages: a checkout, or the site-packages folder of an installed wheel."""


def module_command(module: str, *arguments: str) -> list[str]:
    """Returns the command line that runs a module, without the working folder on its `sys.path`.

    Pass `environment()` as the environment of the process.

    Example: `subprocess.run(module_command("render", "--version"), env=environment())`.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Returns this process's environment, with our packages found first on PYTHONPATH.

    A site-packages folder is left out: Python finds it by itself, and on PYTHONPATH its modules would hide
    the standard library's.

    Example: `subprocess.run(module_command("render", "--version"), env=environment())`.
    """
    installed = {Path(folder).resolve() for folder in (*site.getsitepackages(), site.getusersitepackages())}
    roots = [] if ROOT in installed else [str(ROOT)]
    path = os.pathsep.join([*roots, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **({"PYTHONPATH": path} if path else {})}
