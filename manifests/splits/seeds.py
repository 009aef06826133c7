"""Derives independent random streams, so that any draw can be made alone, anywhere, in any order.

Every draw has its own stream, named by (seed, what, index...) and seeded by blake2b. No draw depends on
earlier draws, the worker, or dict order. Only `Generator.random` and `argsort` are used on top: both are
stable across NumPy versions.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

COUNTER_STEP, COUNTER_MIX = 0x9E3779B97F4A7C15, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""SplitMix64's constants: the step of its counter, and the factors of its two mixing steps."""


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


def counter_uniforms(key: int, rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Draws the first numbers of the stream `key`, row by row: in [0, 1), float64 [rows, columns].

    They are counter based, by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). The trainer draws the same on
    its device (`train.nn.counter_rng`).

    >>> counter_uniforms(0, 1, 2).round(3).tolist()
    [[0.883, 0.432]]
    """
    z = np.arange(1, rows * columns + 1, dtype=np.uint64) * np.uint64(COUNTER_STEP)
    z += np.uint64(key & ((1 << 64) - 1))
    for shift, factor in zip((30, 27), COUNTER_MIX, strict=True):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    z = (z ^ (z >> np.uint64(31))) >> np.uint64(11)
    return np.asarray((z.astype(np.float64) * 2.0**-53).reshape(rows, columns))
