"""The contract between renderer and trainer: words, envelope, tables, folder, splits, audit.

At import this package needs numpy, pandas and pyarrow, nothing else, and it imports none of the
other four packages. What only one command needs (duckdb, soundfile, scipy, typer) is imported there.
"""
