"""`python -m midi`."""

from midi.cli import main

if __name__ == "__main__":
    main()
