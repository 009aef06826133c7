"""`python -m render`."""

from manifests.cli.console import requires

with requires("render"):
    from render.cli import main

if __name__ == "__main__":
    main()
