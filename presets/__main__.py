"""Runs the command `python -m presets`."""

from presets.cli.app import main

if __name__ == "__main__":
    main()
