"""Settings of property tests: the same examples in each run, or new ones for `TRIPTYCH_FUZZ_S` seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from hypothesis import HealthCheck, settings

SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)

same_examples = settings(
    derandomize=True, deadline=None, max_examples=150, suppress_health_check=SLOW_IS_FINE, database=None
)
"""For tests that run always."""
new_examples = settings(deadline=None, max_examples=500, suppress_health_check=SLOW_IS_FINE, database=None)
"""For fuzz runs: each call draws other examples."""

FUZZ_S = float(os.environ.get("TRIPTYCH_FUZZ_S", "600"))
"""Seconds of the fuzz run of `make verify`."""


def repeat(seconds: float, check: Callable[[], None]) -> int:
    """Calls `check` until `seconds` have passed, at least once; returns how often."""
    end, count = time.monotonic() + seconds, 0
    while count == 0 or time.monotonic() < end:
        check()
        count += 1
    return count
