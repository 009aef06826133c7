"""Where blocks of clips come from, as the loader sees it: a dataset's shards, or a tone bank."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from manifests.types import ClipId
from train.data.examples import Clip


class Cells(Protocol):
    """A block: a full factorial of the ids on three axes, at least two of each."""

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


B = TypeVar("B", bound=Cells)


class Source(Protocol[B]):
    """Blocks to draw from."""

    @property
    def where(self) -> str:
        """What to call it in messages."""

    def blocks(self, epoch: int) -> Sequence[B]:
        """The blocks of an epoch; every epoch has as many, with as many clips in all."""

    def clips(self, block: B, wanted: Sequence[int]) -> list[Clip]:
        """The clips at the places `wanted` of the block's ids. Called from several threads at once."""
