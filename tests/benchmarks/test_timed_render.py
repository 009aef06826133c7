"""The CPU profiler of rendering: it wraps functions that exist, and nested parts are counted once."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from benchmarks.helpers import timed_render
from benchmarks.helpers.timed_render import PARTS, CpuProfiler


def test_every_profiled_function_exists() -> None:
    assert [(holder, name) for holder, name, _ in PARTS if not callable(getattr(holder, name, None))] == []


def test_a_nested_part_pauses_the_outer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading of the clock is one second later than the last."""
    ticks = count()
    monkeypatch.setattr(timed_render.time, "process_time", lambda: float(next(ticks)))
    functions = SimpleNamespace(inner=lambda: None, outer=lambda: functions.inner())
    profiler = CpuProfiler()
    profiler.profile_calls(functions, "inner", "inner")
    profiler.profile_calls(functions, "outer", "outer")
    functions.outer()
    assert profiler.cpu_s == {"rest": 1.0, "outer": 2.0, "inner": 1.0}
