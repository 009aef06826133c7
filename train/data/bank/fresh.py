"""Draws fresh phrases and envelopes from a bank's families, unlike any held-out one."""

from __future__ import annotations

from typing import Any

import torch

from manifests.dataset.bank import Bank
from manifests.dataset.rows import envelope_of, notes_of
from manifests.splits.seeds import derive
from manifests.types import Envelope, Notes
from train.data.bank.families import DRAWS, EnvelopeFamilies, near_any
from train.data.bank.melodies import HeldOutPhrases, Melodies, to_phrases
from train.nn.counter_rng import uniforms

TRIES = 4
"""Draws of one phrase or envelope. If none of them is usable, the block takes one from the tables."""


class FreshMaterial:
    """Draws by (seed, pool, place) on one device. None stands where no draw is usable.

    Raises InputError if the bank's `bank.json` or tables are missing or damaged.
    """

    def __init__(self, bank: Bank, seed: int, device: torch.device) -> None:
        fresh: dict[str, Any] = bank.metadata()["fingerprint_of"]["fresh"]
        self.seed, self.device = seed, device
        self.families = EnvelopeFamilies(fresh["envelopes"], device)
        rows = bank.read("envelopes").to_pylist()
        self.unseen_envelopes = [envelope_of(row) for row in rows if row["side"] != "train"]
        self.melodies = None
        if fresh["phrases"] is not None:
            self.melodies = Melodies(fresh["phrases"], fresh["seconds"], device)
            rows = bank.read("phrases").to_pylist()
            others = [notes_of(row) for row in rows if row["side"] != "train"]
            self.unseen_phrases = HeldOutPhrases(others, self.melodies.rhythms.most, device)

    def envelopes(self, pool: int, count: int) -> list[Envelope | None]:
        """Draws `count` envelopes of pool number `pool`."""
        key = derive(self.seed, "fresh", "envelopes", pool)
        value, family = self.families.draw(uniforms(key, count * TRIES, DRAWS, self.device))
        usable = (~near_any(value, self.unseen_envelopes)).tolist()
        return _first(self.families.envelopes(value, family), usable)

    def phrases(self, pool: int, count: int) -> list[Notes | None]:
        """Draws `count` phrases of pool number `pool`; all None if the dataset's come from MIDI files."""
        if self.melodies is None:
            return [None] * count
        widths = {"phrases": self.melodies.draws, "styles": self.melodies.style_draws}
        numbers = (
            uniforms(derive(self.seed, "fresh", what, pool), count * TRIES, width, self.device)
            for what, width in widths.items()
        )
        notes, counts, inside = self.melodies.draw(*numbers)
        usable = (inside & ~self.unseen_phrases.matches(notes, counts)).tolist()
        return _first(to_phrases(notes, counts), usable)


def _first(drawn: list[Any], usable: list[bool]) -> list[Any]:
    """Returns the first usable of each `TRIES` draws."""
    return [
        next((drawn[i] for i in range(start, start + TRIES) if usable[i]), None)
        for start in range(0, len(drawn), TRIES)
    ]
