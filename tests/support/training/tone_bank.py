"""Banks of pure tones, and examples drawn from a tone bank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from manifests.dataset.bank import Bank
from train.data.bank.source import BankSource
from train.data.bank.tones import Tones
from train.data.examples import EXAMPLE_KINDS, Clip, Example
from train.data.loader import Loader
from train.data.tables import Tables

ROLES = ("target", "content", "timbre", "envelope")


def sine_tones(every: int, seconds: float) -> Tones:
    """Returns tones of pure sines, phase 0, that loop their last half second."""
    pitches = tuple(range(57, 70, every))
    rate = 44_100
    time_s = np.arange(int(seconds * rate)) / rate
    pcm = [np.sin(2 * np.pi * 440.0 * 2 ** ((pitch - 69) / 12) * time_s) for pitch in pitches]
    count, frames = len(pitches), len(time_s)
    start = torch.arange(count)[None] * frames
    ends = torch.full((1, count), frames)
    return Tones(
        torch.from_numpy(np.rint(np.concatenate(pcm) * 32767).astype(np.int16)),
        start, ends - rate // 2, ends, torch.full((1, count), 1 / 32767), {0: 0}, pitches, frames,
    )  # fmt: skip


def take_examples(
    bank: Bank,
    count: int,
    seed: int = 3,
    start: int = 0,
    threads: int = 1,
    rank: int = 0,
    world: int = 1,
    fresh: float = 1.0,
    altered: float = 0.0,
) -> list[Example]:
    """Returns `count` examples from number `start` on, as one rank reads them."""
    source = BankSource(
        Tables.open(bank.root), seed, pool_blocks=3, threads=threads, fresh=fresh, altered=altered
    )
    with Loader(source, EXAMPLE_KINDS, seed, 3, threads, rank, world) as loader:
        return list(islice(loader.examples(start), count))


def with_audio(example: Example, audio: Callable[[Clip], Any]) -> Example:
    """Replaces the audio of each clip of an example."""
    clips = {role: getattr(example, role) for role in ROLES}
    return replace(example, **{role: replace(clip, audio=audio(clip)) for role, clip in clips.items()})


def same_example(first: Example, second: Example) -> bool:
    """Returns whether two examples hold the same clips, bit for bit."""
    pairs = [(getattr(first, role), getattr(second, role)) for role in ROLES]
    return (first.kind, first.seed) == (second.kind, second.seed) and all(
        (a.id, a.notes, a.envelope, a.gain) == (b.id, b.notes, b.envelope, b.gain)
        and np.array_equal(a.audio, b.audio)
        for a, b in pairs
    )
