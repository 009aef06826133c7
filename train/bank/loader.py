"""An endless stream of examples from a tone bank: blocks composed on the training device, then drawn from.

As from rendered clips, examples come from a pool of blocks, every clip is target once, and its partners
stand in its own block. But a pool's blocks are new: timbres are dealt from shuffled decks, phrases and
envelopes drawn from the dataset's families (or its tables), and no pool comes twice. What comes when is a
pure function of (seed, pool, place), so a stream goes on from any example, on any device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import torch

from manifests.bank import Bank
from manifests.register import transpose
from manifests.seeds import permutation, stream
from manifests.vocabulary import BadInput, ClipId, Envelope, Notes
from train.bank.clips import clip_format
from train.bank.compose import Composed, compose_block
from train.bank.fresh import Fresh
from train.bank.reading import Reading
from train.bank.tones import Tones
from train.data.examples import Clip, Example, ExampleKind, cast, example_seed
from train.data.loader import Place
from train.data.order import pool_order
from train.data.tables import Tables


@dataclass(frozen=True, slots=True)
class Mix:
    """One block to be composed: ids on its axes (beyond the tables' where fresh) and what they stand for."""

    block: int
    timbres: tuple[int, ...]
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


class Described:
    """A composed block's clips as examples are made of them."""

    def __init__(self, mix: Mix, made: Composed, octaves: Sequence[int], on_device: bool) -> None:
        pcm = made.pcm_TPEF.flatten(0, 2)
        audio: Any = pcm if pcm.device.type != "cpu" and on_device else pcm.cpu().numpy()
        gains, self.ids = made.gain_TPE.flatten().tolist(), mix.ids()
        self.axes = (mix.timbres, tuple(mix.phrases), tuple(mix.envelopes))
        notes = {
            (timbre, id): transpose(phrase, 12 * octaves[timbre])
            for timbre in mix.timbres
            for id, phrase in mix.phrases.items()
        }
        self.clips = {
            id: Clip(id, audio[place], notes[id.timbre, id.phrase], mix.envelopes[id.envelope], gains[place])
            for place, id in enumerate(self.ids)
        }


class BankLoader:
    """Examples for one rank, as `train.data.loader.Loader` gives them. Use as a context manager.

    `fresh` is the share of blocks whose phrases (and, drawn apart, whose envelopes) are new ones. On a GPU
    the clips' audio stays there if `on_device`. `Place.epoch` counts pools.
    """

    def __init__(
        self,
        tables: Tables,
        kinds: Sequence[ExampleKind],
        seed: int,
        pool_blocks: int = 16,
        threads: int = 2,
        place: Place = Place(),  # noqa: B008
        rank: int = 0,
        world: int = 1,
        device: torch.device = torch.device("cpu"),  # noqa: B008
        fresh: float = 1.0,
        on_device: bool = True,
    ) -> None:
        bank = tables.layout
        if not isinstance(bank, Bank):
            raise BadInput(f"{bank.root}: no tone bank")
        self.tables, self.kinds, self.seed = tables, tuple(kinds), seed
        self.pool_blocks, self.rank, self.world, self.place = pool_blocks, rank, world, place
        self.share, self.on_device = fresh, on_device
        self.sizes = bank.metadata()["fingerprint_of"]["block"]
        self.timbres = tables.train_timbres
        self.table_phrases, self.table_envelopes = (
            [i for i, side in enumerate(bank.read(name).column("side").to_pylist()) if side == "train"]
            for name in ("phrases", "envelopes")
        )
        axes = (("timbre", self.timbres), ("phrase", self.table_phrases), ("envelope", self.table_envelopes))
        for axis, ids in axes:
            if len(ids) < 2:
                raise BadInput(f"{bank.root}: {len(ids)} train {axis}(s); partners need at least two")
        self.format = clip_format(bank)
        self.tones = Tones.load(bank, self.timbres, device)
        self.reading = Reading(self.format.frames, device)
        self.fresh = Fresh(bank, seed, device)
        # On a GPU blocks queue up anyway; on a CPU they are composed side by side.
        self._threads = ThreadPoolExecutor(threads if device.type == "cpu" else 1, "compose")

    def __enter__(self) -> BankLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Example]:
        """Examples from `place` on, without end; `place` is always that of the next one."""
        ahead = self._compose(self.place.epoch)
        while True:
            (mixes, sounds), number = ahead, self.place.epoch
            made = [
                Described(mix, future.result(), self.tables.timbre_octaves, self.on_device)
                for mix, future in zip(mixes, sounds, strict=True)
            ]
            ahead = self._compose(number + 1)
            order = pool_order([mix.clips for mix in mixes], self.seed, number, self.rank)
            for index, clip in order[self.place.example :]:
                example = self._example(number, made[index], clip)
                self.place = Place(number, self.place.example + 1)
                yield example
            self.place = Place(number + 1, 0)

    def _compose(self, number: int) -> tuple[list[Mix], list[Future[Composed]]]:
        mixes = self.mixes(number)
        return mixes, [self._threads.submit(self._composed, mix) for mix in mixes]

    def _composed(self, mix: Mix) -> Composed:
        with torch.no_grad():
            return compose_block(
                self.tones,
                mix.timbres,
                list(mix.phrases.values()),
                list(mix.envelopes.values()),
                self.format,
                self.reading,
            )

    def mixes(self, number: int) -> list[Mix]:
        """The blocks of pool `number` of this rank."""
        pool = number * self.world + self.rank
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
                    self._dealt(pool * self.pool_blocks + place, many_t),
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

    def _dealt(self, block: int, count: int) -> tuple[int, ...]:
        """A block's timbres: hand number `block` of decks that are each shuffled anew."""
        count = min(count, len(self.timbres))
        deck, hand = divmod(block, len(self.timbres) // count)
        order = permutation(self.seed, len(self.timbres), "deck", deck)[hand * count : (hand + 1) * count]
        return tuple(sorted(self.timbres[int(i)] for i in order))

    def _example(self, number: int, block: Described, place: int) -> Example:
        target = block.ids[place]
        seed = example_seed(self.seed, number, target.key)
        draws = stream(seed, "cast")
        kind = self.kinds[int(draws.random() * len(self.kinds))]
        roles = cast(kind, target, block.axes, draws)
        clips = block.clips
        return Example(
            kind,
            clips[roles.target],
            clips[roles.content],
            clips[roles.timbre],
            clips[roles.envelope],
            seed,
        )


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
