"""Runs the command `python -m manifests`."""

from manifests.cli.console import requires

with requires("audit"):
    from manifests.cli.app import main

if __name__ == "__main__":
    main()
