"""The format that all clips of a tone bank share."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from manifests.dataset.bank import Bank


class ClipFormat(NamedTuple):
    """The format of a bank's clips.

    `rate` is in Hz, `frames` the length in samples, `peak` the normalised peak as an int16 value, and
    `cut_fade_ms` the fade before a new onset cuts the old tail.
    """

    rate: int
    frames: int
    peak: int
    cut_fade_ms: float


@lru_cache(maxsize=4)
def clip_format(bank: Bank) -> ClipFormat:
    """Reads the clip format from a bank's `bank.json`.

    Raises InputError if `bank.json` is missing or not valid.

    Example: `clip_format(Bank(Path("demo/tones"))).rate` is 44100.
    """
    described = bank.metadata()["fingerprint_of"]
    return ClipFormat(described["rate"], described["frames"], described["peak"], described["cut_fade_ms"])
