"""A bank's tones in the memory of one device: one int16 tensor, and where each tone lies in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from manifests.dataset.bank import Bank, source_pitch
from manifests.dataset.storage import is_local, read_range
from manifests.synthesis.recipe import zone_root
from manifests.types import InputError


@dataclass(frozen=True)
class Tones:
    """The tones of T timbres at the K pitches that the bank keeps, on one device.

    Attributes:
        pcm_S: All samples, int16 [S].
        start_TK: Where each tone begins in `pcm_S`, int64 [T, K].
        loop_start_TK: Where its loop begins, counted from the tone's start, int64 [T, K].
        loop_end_TK: Where its loop ends, counted from the tone's start, int64 [T, K].
        scale_TK: The amplitude of one unit of a sample, float32 [T, K].
        row_of: The row of each timbre id.
        pitches: The K MIDI pitches.
        shortest_loop_end: The least of `loop_end_TK`: notes no longer than it need no loop.
    """

    pcm_S: Tensor
    start_TK: Tensor
    loop_start_TK: Tensor
    loop_end_TK: Tensor
    scale_TK: Tensor
    row_of: dict[int, int]
    pitches: tuple[int, ...]
    shortest_loop_end: int

    @cached_property
    def tables(self) -> list[list[tuple[int, int, int, float]]]:
        """Start, loop start, loop end and scale as plain numbers, by row and place of the pitch."""
        columns = (self.start_TK, self.loop_start_TK, self.loop_end_TK, self.scale_TK)
        rows = [column.cpu().tolist() for column in columns]
        return [list(zip(*(column[t] for column in rows), strict=True)) for t in range(len(rows[0]))]

    @cached_property
    def _sources(self) -> dict[tuple[int, int, tuple[int, int] | None], tuple[int, int]]:
        return {}

    @property
    def device(self) -> torch.device:
        return self.pcm_S.device

    def source_tone(self, pitch: int, below: int = 0, zone: tuple[int, int] | None = None) -> tuple[int, int]:
        """Returns the place of the tone that a MIDI pitch is read from, and the pitch's semitones above it.

        With `below` it is the tone so many semitones below, as far as there is one. Read faster, its formants
        move up by as many. With a `zone` of a width and an offset it is the tone at the middle of the
        pitch's zone, as samplers stretch one sample over some keys. Raises InputError if the pitch is farther
        from any tone than the bank's step.
        """
        if (pitch, below, zone) in self._sources:
            return self._sources[pitch, below, zone]
        kept = source_pitch(pitch, self.pitches)
        step = self.pitches[1] - self.pitches[0] if len(self.pitches) > 1 else 1
        if abs(pitch - kept) >= step:
            raise InputError(f"pitch {pitch}: the bank's tones are {self.pitches[0]}..{self.pitches[-1]}")
        if below or zone is not None:
            root = pitch if zone is None else zone_root(pitch, *zone)
            kept = source_pitch(root - below, self.pitches)
        self._sources[pitch, below, zone] = self.pitches.index(kept), pitch - kept
        return self._sources[pitch, below, zone]

    @classmethod
    def load(cls, bank: Bank, timbres: Sequence[int], device: torch.device) -> Tones:
        """Reads the tones of some timbres.

        Raises InputError if a shard is missing or damaged, a timbre lacks tones, or the device lacks memory.

        Example: `Tones.load(bank, [17], torch.device("cpu"))`
        """
        rows: list[dict[str, Any]] = []
        wanted = set(timbres)
        for shard in bank.shards():
            if wanted & set(shard["timbres"]):
                rows += [row for row in bank.tones(shard["shard"]).to_pylist() if row["timbre"] in wanted]
        pitches = tuple(sorted({row["pitch"] for row in rows}))
        row_of = {timbre: place for place, timbre in enumerate(timbres)}
        if len({(row["timbre"], row["pitch"]) for row in rows}) != len(row_of) * len(pitches):
            raise InputError(
                f"{bank.root}: some of its timbres lack tones; run `python -m manifests audit` on it"
            )
        shape = (len(row_of), len(pitches))
        start, loop_start, loop_end = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        scale = np.zeros(shape, dtype=np.float32)
        pcm_S = _empty(sum(row["frames"] for row in rows), device, bank)
        at, open_shard, data = 0, "", np.empty(0, dtype=np.uint8)
        for row in rows:
            if row["shard"] != open_shard:
                open_shard, data = row["shard"], _mapped(bank.inside(row["shard"]))
            first, last = row["offset"], row["offset"] + 2 * row["frames"]
            if not (0 <= first < last <= len(data)) or not 0 <= row["loop_start"] < row["loop_end"]:
                raise InputError(
                    f"{bank.tone_table(open_shard)}: a tone of timbre {row['timbre']} lies outside it"
                )
            cell = row_of[row["timbre"]], pitches.index(row["pitch"])
            start[cell], scale[cell] = at, row["scale"]
            loop_start[cell], loop_end[cell] = row["loop_start"], min(row["loop_end"], row["frames"])
            samples = np.array(data[first:last]).view("<i2")
            pcm_S[at : at + row["frames"]] = torch.from_numpy(samples.astype(np.int16, copy=False))
            at += row["frames"]
        return cls(
            pcm_S,
            torch.from_numpy(start).to(device),
            torch.from_numpy(loop_start).to(device),
            torch.from_numpy(loop_end).to(device),
            torch.from_numpy(scale).to(device),
            row_of,
            pitches,
            int(loop_end.min()),
        )


def _mapped(path: Path) -> npt.NDArray[np.uint8]:
    """Returns a shard's bytes, uint8 [bytes]: mapped, or read (about 0.1 GB) if it is remote."""
    if is_local(path):
        return np.memmap(path, dtype=np.uint8, mode="r")
    return np.frombuffer(read_range(path, 0, path.stat().st_size), dtype=np.uint8)


def _empty(samples: int, device: torch.device, bank: Bank) -> Tensor:
    try:
        return torch.empty(samples, dtype=torch.int16, device=device)
    except (RuntimeError, MemoryError):
        raise InputError(
            f"{bank.root}: its tones take {2 * samples / 1e9:.1f} GB, more than {device} has; make one with"
            " --every 3, or of fewer timbres"
        ) from None
