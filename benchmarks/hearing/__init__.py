"""The benchmark of hearing: what a codec states about a recording against what was played."""
