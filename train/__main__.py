"""Runs the command `python -m train`."""

from manifests.cli.console import requires

with requires("train"):
    from train.cli.app import main

if __name__ == "__main__":
    main()
