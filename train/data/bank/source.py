"""A tone bank as a source of blocks: new blocks for every pool, composed on the training device.

As with rendered clips, examples come from a pool of blocks, every clip is a target once, and its partners
stand in its own block. But timbres are dealt from shuffled decks, phrases and envelopes are drawn from the
dataset's families (or its tables), and no pool repeats. A pool's blocks are a pure function of (seed,
pool), so a stream resumes at any example, on any device.
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
from manifests.synthesis.recipe import Recipe, draw_recipe
from manifests.types import ClipId, Envelope, InputError, Notes
from train.data.bank.compose import compose_block
from train.data.bank.format import clip_format
from train.data.bank.fresh import FreshMaterial
from train.data.bank.pitch_shift import PitchShiftTable
from train.data.bank.tones import Tones
from train.data.examples import Clip
from train.data.tables import Tables


@dataclass(frozen=True, slots=True)
class ComposedBlock:
    """The plan of one block to be composed, and its ids. Fresh ids are numbered on from the tables'.

    Attributes:
        block: The block's number in the stream.
        timbres: The timbre that each id is made of. An altered timbre has an id of its own.
        recipes: How each of them is altered, or None.
        phrases: The phrase of each id.
        envelopes: The envelope of each id.
    """

    block: int
    timbres: dict[int, int]
    recipes: tuple[Recipe | None, ...]
    phrases: dict[int, Notes]
    envelopes: dict[int, Envelope]

    @property
    def clips(self) -> int:
        """The number of its clips."""
        return len(self.timbres) * len(self.phrases) * len(self.envelopes)

    def ids(self) -> list[ClipId]:
        """Returns the ids of its clips: timbres slowest, then phrases, envelopes fastest."""
        return [
            ClipId(self.block, t, e, p) for t in self.timbres for p in self.phrases for e in self.envelopes
        ]


class BankSource:
    """An endless source of blocks of `train` ids. Every epoch of the stream is one pool of new blocks.

    Args:
        tables: The tables of a tone bank.
        seed: Seed of all draws.
        pool_blocks: Blocks in a pool.
        threads: Blocks composed at a time on a CPU.
        device: Where tones are kept and clips composed.
        fresh: Share of blocks with new phrases and, drawn independently, of blocks with new envelopes.
        altered: Share of timbres that are altered (`train.data.bank.alter`).
        on_device: Whether the clips' audio stays on a GPU.

    Raises:
        InputError: If the folder is no bank, an axis has less than two train ids, or the device lacks memory.

    Example:
        >>> Loader(BankSource(Tables.open(Path("dataset/tones")), seed=0), ["both"], seed=0)
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
        # No axis is longer than its table, which has to fill it where no fresh draw is usable.
        sizes = bank.metadata()["fingerprint_of"]["block"]
        self.sizes = [min(size, len(ids)) for size, (_, ids) in zip(sizes, axes, strict=True)]
        self.format = clip_format(bank)
        self.tones = Tones.load(bank, self.timbres, device)
        self.shifts = PitchShiftTable(self.format.frames, device)
        self.fresh = FreshMaterial(bank, seed, device)
        self.blocks = lru_cache(maxsize=2)(self.compose_pool)
        # On a GPU blocks queue up anyway. On a CPU they are composed in parallel.
        self._at_once = Semaphore(threads if device.type == "cpu" else 1)

    def clips(self, block: ComposedBlock, wanted: Sequence[int]) -> list[Clip]:
        """Composes a block and returns its clips at the places `wanted`. Thread-safe."""
        with torch.no_grad(), self._at_once:
            made = compose_block(
                self.tones,
                list(block.timbres.values()),
                list(block.phrases.values()),
                list(block.envelopes.values()),
                self.format,
                self.shifts,
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
            Clip(
                id,
                pcm[place],
                notes[id.timbre, id.phrase],
                block.envelopes[id.envelope],
                gains[place],
                octaves[id.timbre],
            )
            for place in wanted
            for id in [ids[place]]
        ]

    def compose_pool(self, pool: int) -> list[ComposedBlock]:
        """Plans the blocks of pool number `pool`, to be composed when their clips are asked for."""
        many_t, many_p, many_e = self.sizes
        phrases = self.fresh.phrases(pool, self.pool_blocks * many_p)
        envelopes = self.fresh.envelopes(pool, self.pool_blocks * many_e)
        blocks = []
        for place in range(self.pool_blocks):
            draws = stream(self.seed, "mix", pool, place)
            new_phrases, new_envelopes = draws.random() < self.share, draws.random() < self.share
            blocks.append(
                ComposedBlock(
                    pool * self.pool_blocks + place,
                    *self._altered_timbres(pool * self.pool_blocks + place, many_t),
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
        return blocks

    def _altered_timbres(self, block: int, count: int) -> tuple[dict[int, int], tuple[Recipe | None, ...]]:
        """Chooses a block's timbres by id, and the recipes of those that are altered."""
        octaves, timbres, recipes = self.tables.timbre_octaves, {}, []
        for timbre in self._deal(block, count):
            draws = stream(self.seed, "alter", block, timbre)
            recipe = None
            if draws.random() < self.altered:
                others = [t for t in self.timbres if octaves[t] == octaves[timbre] and t != timbre]
                key = derive(self.seed, "noise", block, timbre)
                recipe = draw_recipe(draws, others, key, octaves[timbre])
            timbres[timbre if recipe is None else len(octaves) + timbre] = timbre
            recipes.append(recipe)
        return timbres, tuple(recipes)

    def _deal(self, block: int, count: int) -> tuple[int, ...]:
        """Deals a block's timbres: hand number `block` of decks, each shuffled anew."""
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
    """Chooses a block's ids on an axis, and the phrases or envelopes they stand for.

    Fresh ones are numbered on from the table's, `first` being the first place in the pool. Where no draw is
    usable, or `new` is false, different ones of the table's `usable` rows stand in.
    """
    order = iter(np.argsort(draws.random(len(usable)), kind="stable"))
    chosen: dict[int, Any] = {}
    for place, value in enumerate(fresh):
        if new and value is not None:
            chosen[len(table) + first + place] = value
        elif (row := next(order, None)) is not None:
            chosen[usable[int(row)]] = table[usable[int(row)]]
    return chosen
