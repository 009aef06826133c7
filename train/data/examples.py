"""Training examples: a target clip, and the partners from its own block that it is to be made from.

There are four kinds. In *reconstruction*, content, timbre and envelope come from three partners, each of
which shares only that id with the target. In *timbre*, *envelope* and *both*, source and reference differ
in all three ids. The target has the source's phrase and, of timbre and envelope, what the kind takes from
the reference.
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
    """A clip with its ground truth: audio int16 [frames], sounding notes, envelope.

    `gain` is the factor from the composed sound (tones of RMS 0.1) to full scale. `octave` is the timbre's:
    the notes sound so many octaves above the phrase. A tone bank on a GPU gives `audio` as a tensor there,
    for systems that are `on_device`.
    """

    id: ClipId
    audio: I16
    notes: Notes
    envelope: Envelope
    gain: float
    octave: int = 0


class Roles(NamedTuple):
    """The clips of a block that an example is made of; source and reference play two roles or more."""

    kind: ExampleKind
    target: ClipId
    content: ClipId
    timbre: ClipId
    envelope: ClipId


@dataclass(frozen=True, slots=True)
class Example:
    """One training example. `seed` is that of all else that a system draws for it."""

    kind: ExampleKind
    target: Clip
    content: Clip
    timbre: Clip
    envelope: Clip
    seed: int


def stack_audio(sounds: Sequence[I16]) -> Tensor:
    """Stacks B clips' audio, int16 arrays or tensors [frames], to one tensor, int16 [B, frames].

    Example: `stack_audio([clip.audio for clip in clips])`
    """
    if isinstance(sounds[0], Tensor):
        return torch.stack(list(sounds))
    return torch.from_numpy(np.stack(sounds))


def draw_other(ids: tuple[int, ...], avoid: int, draw: float) -> int:
    """Chooses one of `ids` other than `avoid` by a uniform number `draw` in [0, 1)."""
    rest = [value for value in ids if value != avoid]
    return rest[int(draw * len(rest))]


def draw_roles(
    kind: ExampleKind,
    target: ClipId,
    axes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    draws: np.random.Generator,
) -> Roles:
    """Draws the roles of an example of `kind`: partners in the target's block.

    `axes` are the block's timbre, phrase and envelope ids, at least two each.
    """
    timbres, phrases, envelopes = axes
    block = target.block

    def partner(*shared: str) -> ClipId:
        u = draws.random(3)
        return ClipId(
            block,
            target.timbre if "timbre" in shared else draw_other(timbres, target.timbre, u[0]),
            target.envelope if "envelope" in shared else draw_other(envelopes, target.envelope, u[1]),
            target.phrase if "phrase" in shared else draw_other(phrases, target.phrase, u[2]),
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
    """Derives the seed of all draws for the example whose target is `key` in an epoch."""
    return derive(seed, "example", epoch, key)
