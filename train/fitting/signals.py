"""Defers SIGINT and SIGTERM, so that the training loop can save before it ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_signals() -> Iterator[Callable[[], int]]:
    """Yields a function that returns the number of the first SIGINT or SIGTERM received, or 0.

    A second SIGINT is handled as it was before, which by default raises KeyboardInterrupt.

    Example::

        with deferred_signals() as received:
            while not received():
                train_step(...)
    """
    numbers: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        handler = previous[signal.Signals(number)]
        if numbers and number == signal.SIGINT and callable(handler):
            handler(number, frame)
        numbers.append(number)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, note)
    try:
        yield lambda: numbers[0] if numbers else 0
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
