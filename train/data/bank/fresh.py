"""What a bank's families give: phrases and envelopes that were in no dataset, and are like no unseen one."""

from __future__ import annotations

from typing import Any

import torch

from manifests.dataset.bank import Bank
from manifests.dataset.rows import envelope_of, notes_of
from manifests.splits.seeds import derive
from manifests.types import Envelope, Notes
from train.data.bank.families import DRAWS, Families, near
from train.data.bank.melodies import Melodies, Unseen, phrases
from train.nn.counter_rng import uniforms

TRIES = 4
"""Draws of a phrase or envelope; where none of them may be used, one of the tables is taken."""


class Fresh:
    """Draws by (seed, pool, place), on one device; None where no draw could be used."""

    def __init__(self, bank: Bank, seed: int, device: torch.device) -> None:
        fresh: dict[str, Any] = bank.metadata()["fingerprint_of"]["fresh"]
        self.seed, self.device = seed, device
        self.families = Families(fresh["envelopes"], device)
        rows = bank.read("envelopes").to_pylist()
        self.unseen_envelopes = [envelope_of(row) for row in rows if row["side"] != "train"]
        self.melodies = None
        if fresh["phrases"] is not None:
            self.melodies = Melodies(fresh["phrases"], fresh["seconds"], device)
            rows = bank.read("phrases").to_pylist()
            others = [notes_of(row) for row in rows if row["side"] != "train"]
            self.unseen_phrases = Unseen(others, self.melodies.rhythms.most, device)

    def envelopes(self, pool: int, count: int) -> list[Envelope | None]:
        """`count` envelopes of pool number `pool`."""
        key = derive(self.seed, "fresh", "envelopes", pool)
        value, family = self.families.draw(uniforms(key, count * TRIES, DRAWS, self.device))
        usable = (~near(value, self.unseen_envelopes)).tolist()
        return _first(self.families.envelopes(value, family), usable)

    def phrases(self, pool: int, count: int) -> list[Notes | None]:
        """`count` phrases of pool number `pool`; None for all where the dataset's are from MIDI files."""
        if self.melodies is None:
            return [None] * count
        key = derive(self.seed, "fresh", "phrases", pool)
        notes, counts, inside = self.melodies.draw(
            uniforms(key, count * TRIES, self.melodies.draws, self.device)
        )
        usable = (inside & ~self.unseen_phrases.like(notes, counts)).tolist()
        return _first(phrases(notes, counts), usable)


def _first(drawn: list[Any], usable: list[bool]) -> list[Any]:
    """Of each `TRIES` draws the first that may be used."""
    return [
        next((drawn[i] for i in range(start, start + TRIES) if usable[i]), None)
        for start in range(0, len(drawn), TRIES)
    ]
