"""The interface of sources of blocks, as the loader sees them: a dataset's shards, or a tone bank."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from manifests.types import ClipId
from train.data.examples import Clip


class ClipBlock(Protocol):
    """A block: a full factorial of ids on three axes, at least two each."""

    @property
    def block(self) -> int: ...
    @property
    def timbres(self) -> Collection[int]: ...
    @property
    def phrases(self) -> Collection[int]: ...
    @property
    def envelopes(self) -> Collection[int]: ...
    @property
    def clips(self) -> int: ...
    def ids(self) -> list[ClipId]: ...


B = TypeVar("B", bound=ClipBlock)


class Source(Protocol[B]):
    """A source of blocks."""

    @property
    def where(self) -> str:
        """The source's name in messages."""

    def blocks(self, epoch: int) -> Sequence[B]:
        """Returns the blocks of an epoch. Every epoch has as many, with as many clips in all."""

    def clips(self, block: B, wanted: Sequence[int]) -> list[Clip]:
        """Returns the clips at the places `wanted` of the block's ids. Called from several threads."""
