"""`python -m train`: fit, convert, describe, encode, decode, evaluate, compare, page, release, ratings."""

from __future__ import annotations

import sys
from importlib import import_module

from manifests.cli import console
from manifests.types import InputError

app = console.app("Trains a codec from a dataset folder, and converts with it.")

COMMANDS = {
    "fit": ("train.cli.fit", "fit_command"),
    "convert": ("train.cli.convert", "convert_command"),
    "describe": ("train.cli.describe", "describe_command"),
    "encode": ("train.cli.factors", "encode_command"),
    "decode": ("train.cli.factors", "decode_command"),
    "evaluate": ("train.cli.evaluate", "evaluate"),
    "compare": ("train.cli.compare", "compare"),
    "page": ("train.cli.page", "page"),
    "release": ("train.cli.release", "release"),
    "ratings": ("train.cli.ratings", "ratings"),
}
"""Where each command is. Only the one that is called is imported, so that --help needs no torch."""


def register(names: list[str]) -> None:
    """Registers the commands called `names` that are not registered yet."""
    there = {command.name for command in app.registered_commands}
    for name in names:
        if name not in there:
            module, function = COMMANDS[name]
            with console.requires("train"):
                app.command(name)(getattr(import_module(module), function))


def main() -> None:
    """Runs the command line: status 0, 2 for bad input, 1 for a file that cannot be read or written; both say
    what in one line."""
    asked = [name for name in sys.argv[1:2] if name in COMMANDS]
    if sys.argv[1:2] != ["--version"]:
        register(asked or list(COMMANDS))
    try:
        app()
    except InputError as error:
        console.fail(str(error), console.BAD_INPUT)
    except OSError as error:
        console.fail(console.describe_os_error(error))
