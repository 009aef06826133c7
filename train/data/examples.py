"""Training examples: a target clip and the partners, from its own block, that it is to be made from.

Four kinds. *reconstruction*: content, timbre and envelope each from a partner that shares only that id
with the target. *timbre*, *envelope*, *both*: a source and a reference that differ in all three ids; the
target has the source's phrase and, of timbre and envelope, what the kind takes from the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from manifests.dataset.clip_audio import I16
from manifests.splits.seeds import derive
from manifests.types import ClipId, Envelope, Notes

ExampleKind = Literal["reconstruction", "timbre", "envelope", "both"]
EXAMPLE_KINDS: tuple[ExampleKind, ...] = get_args(ExampleKind)


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip with everything that is known of it: audio is int16 [frames], notes as they sound.

    From a tone bank on a GPU audio is a tensor there, for systems that are `on_device`. `gain` is the factor
    from the composed sound (tones of RMS 0.1) to full scale.
    """

    id: ClipId
    audio: I16
    notes: Notes
    envelope: Envelope
    gain: float


class Roles(NamedTuple):
    """Which clips of a block an example is made of; source and reference play two of the roles or more."""

    kind: ExampleKind
    target: ClipId
    content: ClipId
    timbre: ClipId
    envelope: ClipId


@dataclass(frozen=True, slots=True)
class Example:
    """One training example; `seed` names the stream of whatever else a system draws for it."""

    kind: ExampleKind
    target: Clip
    content: Clip
    timbre: Clip
    envelope: Clip
    seed: int


def stacked(sounds: Sequence[I16]) -> Tensor:
    """Clips' audio, int16 arrays or tensors of a device, as one tensor, int16 [B, frames]."""
    if isinstance(sounds[0], Tensor):
        return torch.stack(list(sounds))
    return torch.from_numpy(np.stack(sounds))


def other(ids: tuple[int, ...], avoid: int, draw: float) -> int:
    """One of `ids` that is not `avoid`, by a number in [0, 1)."""
    rest = [value for value in ids if value != avoid]
    return rest[int(draw * len(rest))]


def cast(
    kind: ExampleKind,
    target: ClipId,
    axes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    draws: np.random.Generator,
) -> Roles:
    """The roles of an example of `kind`: partners in the target's block, whose ids are `axes`
    (timbres, phrases, envelopes), each of at least two."""
    timbres, phrases, envelopes = axes
    block = target.block

    def partner(*shared: str) -> ClipId:
        u = draws.random(3)
        return ClipId(
            block,
            target.timbre if "timbre" in shared else other(timbres, target.timbre, u[0]),
            target.envelope if "envelope" in shared else other(envelopes, target.envelope, u[1]),
            target.phrase if "phrase" in shared else other(phrases, target.phrase, u[2]),
        )

    if kind == "reconstruction":
        return Roles(kind, target, partner("phrase"), partner("timbre"), partner("envelope"))
    if kind == "timbre":
        source, reference = partner("phrase", "envelope"), partner("timbre")
        return Roles(kind, target, source, reference, source)
    if kind == "envelope":
        source, reference = partner("phrase", "timbre"), partner("envelope")
        return Roles(kind, target, source, source, reference)
    source, reference = partner("phrase"), partner("timbre", "envelope")
    return Roles(kind, target, source, reference, reference)


def example_seed(seed: int, epoch: int, key: str) -> int:
    """The seed of everything drawn for the example whose target is `key` in an epoch."""
    return derive(seed, "example", epoch, key)
