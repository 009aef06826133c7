"""A worker keeps its heap: glibc gives freed pages back, and each clip would have to fault them in again."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 1 << 27
LARGEST_IN_HEAP = 1 << 25
"""The most that glibc allows."""


def keep_heap() -> None:
    """Tells the C library, if it is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, LARGEST_IN_HEAP)
