"""Runs the command `python -m presets`."""

from manifests.cli.console import requires

with requires("render"):
    from presets.cli.app import main

if __name__ == "__main__":
    main()
