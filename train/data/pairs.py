"""Evaluation pairs: conversions with known answers, drawn once from the blocks of a split.

Source and reference differ in all three ids. Since a block is a full factorial, the clip that a perfect
conversion would make stands in the same block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from manifests.dataset.bank import Bank
from manifests.dataset.layout import Layout
from manifests.splits.seeds import permutation, stream
from manifests.types import ClipId, InputError
from train.data.tables import Block, split_blocks

Kind = Literal["timbre", "envelope", "both"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TAKES: dict[str, frozenset[str]] = {
    "timbre": frozenset({"timbre"}),
    "envelope": frozenset({"envelope"}),
    "both": frozenset({"timbre", "envelope"}),
    "reconstruction": frozenset({"timbre", "envelope"}),
}
"""What each kind of conversion takes from the reference. In a reconstruction that is the source itself. A
user's own kind takes both."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Keys of a source, a reference, and the clip that their conversion should give."""

    source: str
    reference: str
    target: str
    kind: Kind


def target_of(source: ClipId, reference: ClipId, kind: Kind) -> ClipId:
    """Returns the clip with the source's phrase, and the timbre and envelope that `kind` says."""
    takes = TAKES[kind]
    return ClipId(
        source.block,
        reference.timbre if "timbre" in takes else source.timbre,
        reference.envelope if "envelope" in takes else source.envelope,
        source.phrase,
    )


def possible_pairs(block: Block) -> int:
    """Counts the (source, reference) pairs of a block that differ in all three ids."""
    axes = (len(block.timbres), len(block.phrases), len(block.envelopes))
    product = 1
    for size in axes:
        product *= size * (size - 1)
    return product


def draw_pairs(layout: Layout | Bank, split: str, kind: Kind, count: int, seed: int) -> list[Pair]:
    """Draws `count` different pairs of a split, the same list for the same arguments and dataset.

    Blocks take turns in a permuted order, so that the pairs spread over the split's ids. Raises InputError if
    `kind` is unknown, or the split holds too few pairs.

    Example: `draw_pairs(Layout(Path("dataset")), "validation", "timbre", 8, seed=0)`
    """
    if kind not in KINDS:
        raise InputError(f"kind of pair {kind!r}: expected one of {', '.join(KINDS)}")
    blocks = [block for block in split_blocks(layout, split) if possible_pairs(block)]
    available = sum(possible_pairs(block) for block in blocks)
    if available < count:
        raise InputError(
            f"{layout.root}: split {split!r} holds {available} pairs that differ in timbre, envelope and"
            f" phrase ({len(blocks)} blocks with two ids or more on every axis); {count} were asked for"
        )
    left = {block.block: possible_pairs(block) for block in blocks}
    order = permutation(seed, len(blocks), "pair blocks", split, kind)
    seen: set[tuple[str, str]] = set()
    pairs: list[Pair] = []
    turn = 0
    while len(pairs) < count:
        block = blocks[int(order[turn % len(blocks)])]
        draws = stream(seed, "pair", split, kind, turn)
        turn += 1
        while left[block.block]:
            source, reference = _two_clips(block, draws.random(6).tolist())
            if (source.key, reference.key) not in seen:
                seen.add((source.key, reference.key))
                left[block.block] -= 1
                target = target_of(source, reference, kind)
                pairs.append(Pair(source.key, reference.key, target.key, kind))
                break
    return pairs


def _two_clips(block: Block, draws: list[float]) -> tuple[ClipId, ClipId]:
    """Chooses two clips of a block that differ in all three ids by six uniform numbers in [0, 1)."""
    chosen = []
    for axis, (a, b) in zip(
        (block.timbres, block.envelopes, block.phrases), zip(draws[:3], draws[3:], strict=True), strict=True
    ):
        first = int(a * len(axis))
        second = (first + 1 + int(b * (len(axis) - 1))) % len(axis)
        chosen.append((axis[first], axis[second]))
    source = ClipId(block.block, *(pair[0] for pair in chosen))
    return source, ClipId(block.block, *(pair[1] for pair in chosen))
