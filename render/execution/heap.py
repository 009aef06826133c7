"""Keeps freed heap pages in a worker: glibc would return them, and every clip would fault them in again."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 27
LARGEST_IN_HEAP = 1 << 25
"""The largest threshold that glibc accepts, in bytes."""


def keep_heap() -> None:
    """Raises glibc's trim and mmap thresholds; does nothing with other C libraries."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, LARGEST_IN_HEAP)
