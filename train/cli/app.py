"""The command line `python -m train`: registers the commands, and runs the one that is called."""

from __future__ import annotations

import sys
from importlib import import_module

from manifests.cli import console

app = console.app("Trains a codec from a dataset folder, and converts recordings with it.")

COMMANDS = {
    "fit": ("train.cli.fit", "fit_command"),
    "convert": ("train.cli.convert", "convert_command"),
    "describe": ("train.cli.describe", "describe_command"),
    "encode": ("train.cli.factors", "encode_command"),
    "decode": ("train.cli.factors", "decode_command"),
    "studio": ("train.cli.studio", "studio_command"),
    "instrument": ("train.cli.instrument", "instrument_command"),
    "evaluate": ("train.cli.evaluate", "evaluate"),
    "compare": ("train.cli.compare", "compare"),
    "page": ("train.cli.page", "page"),
    "release": ("train.cli.release", "release"),
    "ratings": ("train.cli.ratings", "ratings"),
}
"""Module and function of each command. Only the called one is imported, which saves the import of torch."""


def register(names: list[str]) -> None:
    """Registers the commands `names` that are not registered yet."""
    registered = {command.name for command in app.registered_commands}
    for name in names:
        if name not in registered:
            module, function = COMMANDS[name]
            with console.requires("train"):
                app.command(name)(getattr(import_module(module), function))


def _command() -> None:
    if sys.argv[1:2] != ["--version"]:
        register([name for name in sys.argv[1:2] if name in COMMANDS] or list(COMMANDS))
    app()


def main() -> None:
    """Runs the command line; see `console.main` for exit codes."""
    console.main(_command)
