"""Draws a phrase's style: its register, and how its notes are articulated and repeated.

A style has a random stream of its own. So a phrase without these settings is the phrase of before, and a
register transposes a phrase but changes nothing else about it.
"""

from __future__ import annotations

from typing import NamedTuple

from manifests.splits.seeds import stream
from manifests.synthesis.phrase_constants import STACCATO_SHARES
from midi.spec import GenerateSpec


class Style(NamedTuple):
    """A phrase's style.

    Attributes:
        register: Octaves by which the phrase is written above the register of medians 56..67.
        staccato: The share of its slot that each note sounds for; None for a phrase that is not staccato.
        repeats: Whether each note repeats the pitch of the one before.
    """

    register: int
    staccato: tuple[float, ...] | None
    repeats: tuple[bool, ...]


def style_draws(most: int) -> int:
    """Returns how many uniform numbers the style of a phrase of at most `most` notes takes.

    >>> style_draws(10)
    22
    """
    return 2 + 2 * most


def draw_style(seed: int, index: int, attempt: int, spec: GenerateSpec) -> Style:
    """Draws the style of phrase `index`, in its draw number `attempt`.

    Example: `draw_style(0, 7, 0, GenerateSpec(register=(-1, 1))).register`.
    """
    most = spec.notes[1]
    numbers: list[float] = stream(seed, "style", index, attempt).random(style_draws(most)).tolist()
    low, high = spec.registers
    shortest, longest = STACCATO_SHARES
    shares = tuple(shortest + (longest - shortest) * number for number in numbers[2 : 2 + most])
    return Style(
        register=low + int(numbers[0] * (high - low + 1)),
        staccato=shares if numbers[1] < spec.staccato else None,
        repeats=tuple(number < spec.repeats for number in numbers[2 + most :]),
    )


def repeat_degrees(degrees: list[int], repeats: tuple[bool, ...]) -> list[int]:
    """Repeats the degree before wherever `repeats` says so. The first and the last note stay as they are.

    >>> repeat_degrees([0, 2, 4, 5, 0], (True, True, False, True, True))
    [0, 0, 4, 4, 0]
    """
    changed = degrees[:1]
    for degree, repeat in zip(degrees[1:-1], repeats[1:], strict=False):
        changed.append(changed[-1] if repeat else degree)
    return [*changed, degrees[-1]]
