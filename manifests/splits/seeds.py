"""Derives independent random streams, so that any draw can be made alone, anywhere, in any order.

Every draw has its own stream, named by (seed, what, index...) and seeded by blake2b. No draw depends on
earlier draws, the worker, or dict order. Only `Generator.random` and `argsort` are used on top: both are
stable across NumPy versions.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *what: str | int) -> int:
    """Derives a 128-bit seed for the stream named `what` from the run's `seed`.

    >>> derive(5, "phrase", 17) == derive(5, "phrase", 17) != derive(5, "phrase", 18)
    True
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (seed, *what):
        raw = f"{type(part).__name__}:{part}".encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return int.from_bytes(digest.digest(), "big")


def stream(seed: int, *what: str | int) -> np.random.Generator:
    """Returns the random generator of the stream named `what`.

    Example: `stream(5, "phrase", 17).random(3)`.
    """
    return np.random.Generator(np.random.PCG64(derive(seed, *what)))


def uniform(seed: int, low: float, high: float, *what: str | int) -> float:
    """Draws one number in [low, high) from the stream named `what`.

    >>> 10.0 <= uniform(5, 10.0, 50.0, "attack_ms", 3) < 50.0
    True
    """
    return float(low + (high - low) * stream(seed, *what).random())


def permutation(seed: int, count: int, *what: str | int) -> np.ndarray:
    """Draws a permutation of range(count), int64 [count], from the stream named `what`.

    >>> sorted(permutation(5, 4, "blocks").tolist())
    [0, 1, 2, 3]
    """
    return np.argsort(stream(seed, *what).random(count), kind="stable")
