"""Draws when the notes of fresh phrases sound: the arithmetic of `midi.rhythm` for many phrases at once.

Equal uniform numbers give the same onsets and note-offs as there; tests compare the two. What depends on the
spec alone (which roles fit, how many grid cells each note needs) is tabulated once.

Tensor names: B phrases, N notes (padded), R fitting roles, C possible note counts, X slots of a motif,
U uniform numbers.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from manifests.synthesis.phrase_constants import (
    DETACHED_SHARES,
    ENVELOPE_MARGIN_MS,
    LAST_SLOT_WEIGHT,
    LEAD_IN_PROBABILITY,
    LEAST_SLOT_WEIGHT,
    MOTIF_LENGTHS,
    ROUNDING,
    SHORTER_PROBABILITY,
    SHORTEST_NOTE_S,
    SHORTEST_STACCATO_S,
)


class UniformRows:
    """Rows of uniform numbers, float64 [B, U]; each row is read from left to right at its own pace."""

    def __init__(self, u_BU: Tensor) -> None:
        self.u_BU = u_BU
        self.at_B = torch.zeros(len(u_BU), dtype=torch.int64, device=u_BU.device)

    def take(self, which_B: Tensor | None = None) -> Tensor:
        """Returns the next number of each row, [B]; only rows in `which_B` (bool) advance."""
        number = self.u_BU.gather(1, self.at_B[:, None])[:, 0]
        self.at_B = self.at_B + (1 if which_B is None else which_B.long())
        return number


class Rhythms:
    """Generates the rhythms of one spec (`fresh.phrases` of a bank) in clips of `seconds`."""

    def __init__(self, spec: dict[str, Any], seconds: float, device: torch.device) -> None:
        self.seconds, self.grid_s, self.legato = seconds, float(spec["grid_s"]), float(spec["legato"])
        self.cells = math.floor(seconds / self.grid_s + ROUNDING)
        settle_s, release_s = (
            (spec[name] + ENVELOPE_MARGIN_MS) / 1000.0 for name in ("longest_settle_ms", "longest_release_ms")
        )
        odd = seconds - self.cells * self.grid_s
        fewest, most = (int(bound) for bound in spec["notes"])
        held: list[list[float]] = []
        detached: list[list[float]] = []
        silent: list[list[float]] = []
        slots: list[list[int]] = []
        counts, first, many = [], [], []
        for count in range(fewest, most + 1):
            begun = len(slots)
            for long in range(count):
                for rest in range(count - 1):
                    h, s = [SHORTEST_NOTE_S] * count, [0.0] * count
                    h[long] = max(settle_s, SHORTEST_NOTE_S)
                    s[rest] = s[-1] = release_s
                    needs = [*s[:-1], s[-1] - odd]
                    cells = [
                        max(1, math.ceil((a + b) / self.grid_s - ROUNDING))
                        for a, b in zip(h, needs, strict=True)
                    ]
                    if sum(cells) <= self.cells:
                        held.append(h + [0.0] * (most - count))
                        shortest = [*[SHORTEST_STACCATO_S] * long, h[long]]
                        detached.append(shortest + [SHORTEST_STACCATO_S] * (most - long - 1))
                        silent.append(s + [0.0] * (most - count))
                        slots.append(cells + [0] * (most - count))
            if len(slots) > begun:
                counts.append(count)
                first.append(begun)
                many.append(len(slots) - begun)
        self.most = most
        self.held_RN = torch.tensor(held, dtype=torch.float64, device=device)
        self.staccato_held_RN = torch.tensor(detached, dtype=torch.float64, device=device)
        self.silent_RN = torch.tensor(silent, dtype=torch.float64, device=device)
        self.slots_RN = torch.tensor(slots, device=device)
        self.count_C, self.first_C, self.many_C = (
            torch.tensor(x, device=device) for x in (counts, first, many)
        )

    @property
    def draws(self) -> int:
        """An upper bound of the uniform numbers that one rhythm takes."""
        return 2 + 1 + 1 + 4 + self.cells + 2 * self.most

    def draw(
        self, draws: UniformRows, staccato_BN: Tensor, is_staccato_B: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draws onsets and note-offs in s, float64 [B, N] (padded), and the numbers of notes, int64 [B].

        Notes of phrases in `is_staccato_B` (bool) sound for the shares `staccato_BN` of their slots.
        """
        choice_B = (draws.take() * len(self.count_C)).long()
        count_B = self.count_C[choice_B]
        role_B = self.first_C[choice_B] + (draws.take() * self.many_C[choice_B]).long()
        slots_BN, held_BN, silent_BN = self.slots_RN[role_B], self.held_RN[role_B], self.silent_RN[role_B]
        place_N = torch.arange(self.most, device=slots_BN.device)
        real_BN = place_N < count_B[:, None]
        last_BN = place_N == count_B[:, None] - 1
        spare_B = self.cells - slots_BN.sum(1)
        lead_B = (draws.take(spare_B > 0) < LEAD_IN_PROBABILITY) & (spare_B > 0)
        spare_B = spare_B - lead_B.long()

        length_B = MOTIF_LENGTHS[0] + (draws.take() * len(MOTIF_LENGTHS)).long()
        motif_BX = torch.stack(
            [draws.take(length_B > x) ** 2 + LEAST_SLOT_WEIGHT for x in range(MOTIF_LENGTHS[-1])], dim=1
        )
        weight_BN = motif_BX.gather(1, place_N % length_B[:, None]) + LAST_SLOT_WEIGHT * last_BN
        weight_BN = weight_BN * real_BN
        until_BN = weight_BN.cumsum(1) / weight_BN.sum(1, keepdim=True)
        for dealt in range(int(spare_B.max())):
            dealing_B = spare_B > dealt
            to_B = (until_BN <= draws.take(dealing_B)[:, None]).sum(1).minimum(count_B - 1)
            slots_BN = slots_BN.scatter_add(1, to_B[:, None], dealing_B.long()[:, None])

        start_BN = slots_BN.cumsum(1) - slots_BN + lead_B.long()[:, None]
        onset_BN = start_BN.double() * self.grid_s
        end_BN = torch.where(last_BN, self.seconds, (start_BN + slots_BN).double() * self.grid_s)
        full_BN = end_BN - onset_BN - silent_BN
        lengths = []
        for n in range(self.most):
            real_B, full_B, slot_B = real_BN[:, n], full_BN[:, n], (end_BN - onset_BN)[:, n]
            detached_B = draws.take(real_B) >= self.legato
            half_B = draws.take(real_B & detached_B) < SHORTER_PROBABILITY
            half = self.grid_s / 2
            on_grid_B = torch.floor(full_B / half + ROUNDING) * half
            tied_B = torch.where(silent_BN[:, n] > 0.0, on_grid_B, full_B)
            length_B = torch.where(detached_B, slot_B * torch.where(half_B, *DETACHED_SHARES), tied_B)
            length_B = torch.where(is_staccato_B, slot_B * staccato_BN[:, n], length_B)
            least_B = torch.where(is_staccato_B, self.staccato_held_RN[role_B, n], held_BN[:, n])
            lengths.append(torch.minimum(torch.maximum(length_B, least_B), full_B))
        off_BN = torch.floor((onset_BN + torch.stack(lengths, dim=1)) * 1e6 + 0.5) / 1e6
        return (onset_BN * 1e6).round() / 1e6, off_BN, count_B
