"""A tone bank as a source of blocks: composed on the training device, new ones for every pool.

As from rendered clips, examples come from a pool of blocks, every clip is target once, and its partners
stand in its own block. But a pool's blocks are new: timbres are dealt from shuffled decks, phrases and
envelopes drawn from the dataset's families (or its tables), and no pool comes twice. Which blocks a pool has
is a pure function of (seed, pool), so a stream goes on from any example, on any device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Semaphore
from typing import Any

import numpy as np
import torch

from manifests.dataset.bank import Bank
from manifests.splits.seeds import derive, permutation, stream
from manifests.synthesis.octaves import transpose
from manifests.types import ClipId, Envelope, InputError, Notes
from train.data.bank.alter import Recipe, draw_recipe
from train.data.bank.compose import compose_block
from train.data.bank.format import clip_format
from train.data.bank.fresh import Fresh
from train.data.bank.reading import Reading
from train.data.bank.tones import Tones
from train.data.examples import Clip
from train.data.tables import Tables


@dataclass(frozen=True, slots=True)
class Mix:
    """One block to be composed: ids on its axes (beyond the tables' where fresh) and what they stand for.

    An altered timbre has an id of its own; `timbres` maps to the one it is made of, `recipes` says how.
    """

    block: int
    timbres: dict[int, int]
    recipes: tuple[Recipe | None, ...]
    phrases: dict[int, Notes]
    envelopes: dict[int, Envelope]

    @property
    def clips(self) -> int:
        return len(self.timbres) * len(self.phrases) * len(self.envelopes)

    def ids(self) -> list[ClipId]:
        """Its clips: timbres slowest, then phrases, envelopes fastest."""
        return [
            ClipId(self.block, t, e, p) for t in self.timbres for p in self.phrases for e in self.envelopes
        ]


class BankSource:
    """Blocks of `train` ids without end; every epoch of the stream is one pool of new ones.

    `fresh` is the share of blocks whose phrases (and, drawn apart, whose envelopes) are new ones, `altered`
    that of timbres that are changed (`train.data.bank.alter`). On a GPU the clips' audio stays there if
    `on_device`.
    """

    def __init__(
        self,
        tables: Tables,
        seed: int,
        pool_blocks: int = 16,
        threads: int = 2,
        device: torch.device = torch.device("cpu"),  # noqa: B008
        fresh: float = 1.0,
        altered: float = 0.0,
        on_device: bool = True,
    ) -> None:
        bank = tables.layout
        if not isinstance(bank, Bank):
            raise InputError(f"{bank.root}: no tone bank")
        self.where = str(bank.root)
        self.tables, self.seed = tables, seed
        self.pool_blocks = pool_blocks
        self.share, self.altered, self.on_device = fresh, altered, on_device
        self.timbres = tables.train_timbres
        self.table_phrases, self.table_envelopes = (
            [i for i, side in enumerate(bank.read(name).column("side").to_pylist()) if side == "train"]
            for name in ("phrases", "envelopes")
        )
        axes = (("timbre", self.timbres), ("phrase", self.table_phrases), ("envelope", self.table_envelopes))
        for axis, ids in axes:
            if len(ids) < 2:
                raise InputError(f"{bank.root}: {len(ids)} train {axis}(s); partners need at least two")
        # No axis longer than its table: where nothing fresh can be used, the table has to fill it.
        sizes = bank.metadata()["fingerprint_of"]["block"]
        self.sizes = [min(size, len(ids)) for size, (_, ids) in zip(sizes, axes, strict=True)]
        self.format = clip_format(bank)
        self.tones = Tones.load(bank, self.timbres, device)
        self.reading = Reading(self.format.frames, device)
        self.fresh = Fresh(bank, seed, device)
        self.blocks = lru_cache(maxsize=2)(self.mixes)
        # On a GPU blocks queue up anyway; on a CPU they are composed side by side.
        self._at_once = Semaphore(threads if device.type == "cpu" else 1)

    def clips(self, block: Mix, wanted: Sequence[int]) -> list[Clip]:
        with torch.no_grad(), self._at_once:
            made = compose_block(
                self.tones,
                list(block.timbres.values()),
                list(block.phrases.values()),
                list(block.envelopes.values()),
                self.format,
                self.reading,
                recipes=block.recipes,
            )
        pcm: Any = made.pcm_TPEF.flatten(0, 2)
        if pcm.device.type == "cpu" or not self.on_device:
            pcm = pcm.cpu().numpy()
        gains, ids = made.gain_TPE.flatten().tolist(), block.ids()
        octaves = {
            timbre: self.tables.timbre_octaves[of] + (recipe.octave if recipe else 0)
            for (timbre, of), recipe in zip(block.timbres.items(), block.recipes, strict=True)
        }
        notes = {
            (timbre, id): transpose(phrase, 12 * octave)
            for timbre, octave in octaves.items()
            for id, phrase in block.phrases.items()
        }
        return [
            Clip(id, pcm[place], notes[id.timbre, id.phrase], block.envelopes[id.envelope], gains[place])
            for place in wanted
            for id in [ids[place]]
        ]

    def mixes(self, pool: int) -> list[Mix]:
        """The blocks of pool number `pool`."""
        many_t, many_p, many_e = self.sizes
        phrases = self.fresh.phrases(pool, self.pool_blocks * many_p)
        envelopes = self.fresh.envelopes(pool, self.pool_blocks * many_e)
        mixes = []
        for place in range(self.pool_blocks):
            draws = stream(self.seed, "mix", pool, place)
            new_phrases, new_envelopes = draws.random() < self.share, draws.random() < self.share
            mixes.append(
                Mix(
                    pool * self.pool_blocks + place,
                    *self._changed(pool * self.pool_blocks + place, many_t),
                    _axis(
                        phrases[place * many_p :][:many_p], new_phrases, self.tables.phrases,
                        self.table_phrases, draws, place * many_p,
                    ),
                    _axis(
                        envelopes[place * many_e :][:many_e], new_envelopes, self.tables.envelopes,
                        self.table_envelopes, draws, place * many_e,
                    ),
                )
            )  # fmt: skip
        return mixes

    def _changed(self, block: int, count: int) -> tuple[dict[int, int], tuple[Recipe | None, ...]]:
        """A block's timbres by id, some of them altered, and how."""
        octaves, timbres, recipes = self.tables.timbre_octaves, {}, []
        for timbre in self._dealt(block, count):
            draws = stream(self.seed, "alter", block, timbre)
            recipe = None
            if draws.random() < self.altered:
                others = [t for t in self.timbres if octaves[t] == octaves[timbre] and t != timbre]
                key = derive(self.seed, "noise", block, timbre)
                recipe = draw_recipe(draws, others, key, octaves[timbre])
            timbres[timbre if recipe is None else len(octaves) + timbre] = timbre
            recipes.append(recipe)
        return timbres, tuple(recipes)

    def _dealt(self, block: int, count: int) -> tuple[int, ...]:
        """A block's timbres: hand number `block` of decks that are each shuffled anew."""
        count = min(count, len(self.timbres))
        deck, hand = divmod(block, len(self.timbres) // count)
        order = permutation(self.seed, len(self.timbres), "deck", deck)[hand * count : (hand + 1) * count]
        return tuple(sorted(self.timbres[int(i)] for i in order))


def _axis(
    fresh: Sequence[Any],
    new: bool,
    table: Sequence[Any],
    usable: Sequence[int],
    draws: np.random.Generator,
    first: int,
) -> dict[int, Any]:
    """A block's ids on an axis and what they stand for: fresh ones (numbered on from the table's, `first`
    in their pool), or where there is none different ones of the table."""
    order = iter(np.argsort(draws.random(len(usable)), kind="stable"))
    chosen: dict[int, Any] = {}
    for place, value in enumerate(fresh):
        if new and value is not None:
            chosen[len(table) + first + place] = value
        elif (row := next(order, None)) is not None:
            chosen[usable[int(row)]] = table[usable[int(row)]]
    return chosen
