"""Names a plugin's parameters: by their names, or by their places where names are doubled or empty.

A key is `name`, `name#2` for the second parameter of that name, or `index: 17` for the one at place 17,
counted from 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

CONTROLLER = re.compile(r"(?i)\bmidi\s*(ch|cc)|^cc\s*\d")


def parameter_keys(names: Sequence[str]) -> list[str]:
    """Returns the key of each parameter, given the plugin's names in their order. No two are equal.

    >>> parameter_keys(["Attack", "Drive/Mix", "Attack", "", "Attack#2"])
    ['Attack', 'Drive/Mix', 'index: 2', 'index: 3', 'Attack#2']
    >>> parameter_keys(["Attack", "Attack", "Attack"])
    ['Attack', 'Attack#2', 'Attack#3']
    """
    seen: Counter[str] = Counter()
    taken = set(names)
    keys = []
    for index, name in enumerate(names):
        seen[name] += 1
        key = name if seen[name] == 1 else f"{name}#{seen[name]}"
        # A parameter may itself be called "Attack#2".
        if not name.strip() or (seen[name] > 1 and key in taken):
            key = f"index: {index}"
        keys.append(key)
    return keys


def parameter_places(names: Sequence[str]) -> dict[str, int]:
    """Maps every key of a plugin's parameters to its place; each has `index: N` besides its name.

    >>> parameter_places(["Attack", "Attack"])
    {'Attack': 0, 'Attack#2': 1, 'index: 0': 0, 'index: 1': 1}
    """
    named = {key: index for index, key in enumerate(parameter_keys(names))}
    return named | {f"index: {index}": index for index in range(len(names)) if f"index: {index}" not in named}


def doubled(names: Sequence[str]) -> list[str]:
    """Returns the names that several parameters have, sorted; empty ones count, too.

    >>> doubled(["Attack", "Decay", "Attack"])
    ['Attack']
    """
    return sorted(name for name, count in Counter(names).items() if count > 1)


def is_controller(name: str) -> bool:
    """Returns whether a parameter stands for a MIDI controller. VST3 plugins list thousands of them.

    >>> is_controller("MIDI Ch. 1 CC 7"), is_controller("Cutoff")
    (True, False)
    """
    return CONTROLLER.search(name) is not None
