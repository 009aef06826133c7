"""Random draws that can be made alone, anywhere, in any order.

Every draw comes from its own stream, named by (seed, what, index...). Streams are derived by blake2b,
so no draw depends on how many were made before it, on which worker, or on dict order. Only
`Generator.random` and `argsort` are used on top of it: both are stable across NumPy versions.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *what: str | int) -> int:
    """A 128-bit seed for the stream named `what`, from the run's one `seed`."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (seed, *what):
        raw = f"{type(part).__name__}:{part}".encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return int.from_bytes(digest.digest(), "big")


def stream(seed: int, *what: str | int) -> np.random.Generator:
    """The random generator of the stream named `what`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *what)))


def uniform(seed: int, low: float, high: float, *what: str | int) -> float:
    """One number in [low, high), from the stream named `what`."""
    return float(low + (high - low) * stream(seed, *what).random())


def permutation(seed: int, count: int, *what: str | int) -> np.ndarray:
    """A permutation of range(count) as int64 [count], from the stream named `what`."""
    return np.argsort(stream(seed, *what).random(count), kind="stable")
