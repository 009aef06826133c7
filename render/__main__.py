"""`python -m render`."""

from render.cli import main

if __name__ == "__main__":
    main()
