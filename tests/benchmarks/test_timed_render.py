"""The CPU profiler of rendering: it wraps functions that exist, and nested parts are counted once."""

from __future__ import annotations

import time
from types import SimpleNamespace

from benchmarks.timed_render import PARTS, CpuProfiler


def test_every_profiled_function_exists() -> None:
    assert [(holder, name) for holder, name, _ in PARTS if not callable(getattr(holder, name, None))] == []


def test_a_nested_part_pauses_the_outer_one() -> None:
    def inner() -> None:
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass

    functions = SimpleNamespace(inner=inner)
    functions.outer = lambda: functions.inner()
    profiler = CpuProfiler()
    profiler.profile_calls(functions, "inner", "inner")
    profiler.profile_calls(functions, "outer", "outer")
    functions.outer()
    assert profiler.cpu_s["inner"] >= 0.05
    assert profiler.cpu_s["outer"] < profiler.cpu_s["inner"]
