"""Runs the command `python -m midi`."""

from manifests.cli.console import requires

with requires("render"):
    from midi.cli import main

if __name__ == "__main__":
    main()
