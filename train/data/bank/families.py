"""Draws fresh envelopes from the dataset's families, as the renderer does, away from held-out ones.

Tensor names: B drawn envelopes, M families, O held-out envelopes, D uniform numbers; 5 parameters in the
order of `FIELDS`, 2 bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manifests.splits.clusters import LEVEL_STEP, TIME_RATIO, TIME_STEP_MS
from manifests.synthesis.envelope import LEVEL_GRID, TIME_GRID_MS
from manifests.types import Envelope

FIELDS = ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms")
TIMES = [0, 1, 2, 4]
GRIDS = (TIME_GRID_MS, TIME_GRID_MS, TIME_GRID_MS, LEVEL_GRID, TIME_GRID_MS)
DRAWS = 1 + len(FIELDS)


class EnvelopeFamilies:
    """The families of a bank's `fresh.envelopes`, as probable as their shares of the dataset's envelopes."""

    def __init__(self, families: dict[str, dict[str, Any]], device: torch.device) -> None:
        rows = [families[name] for name in sorted(families)]
        bounds = [[(row[name]["low"], row[name]["high"]) for name in FIELDS] for row in rows]
        self.bounds_M52 = torch.tensor(bounds, dtype=torch.float64, device=device)
        counts = torch.tensor([float(row["count"]) for row in rows], dtype=torch.float64)
        self.until_M = (counts.cumsum(0) / counts.sum()).to(device)
        self.curves = [str(row["curve"]) for row in rows]
        self.grid_5 = torch.tensor(GRIDS, dtype=torch.float64, device=device)

    def draw(self, u_BD: Tensor) -> tuple[Tensor, Tensor]:
        """Draws parameters, float64 [B, 5] in the order of `FIELDS`, and families, int64 [B].

        `u_BD` holds `DRAWS` uniform numbers for each envelope.
        """
        family_B = (self.until_M <= u_BD[:, :1]).sum(1).clamp(max=len(self.curves) - 1)
        low, high = self.bounds_M52[family_B].unbind(-1)
        value = low + (high - low) * u_BD[:, 1:]
        on_grid = (torch.round(value / self.grid_5) * self.grid_5 * 1e6).round() / 1e6
        return torch.minimum(torch.maximum(on_grid, low), high), family_B

    def envelopes(self, value_B5: Tensor, family_B: Tensor) -> list[Envelope]:
        """Converts drawn parameters and families to envelopes."""
        rows = zip(value_B5.tolist(), family_B.tolist(), strict=True)
        return [Envelope(**dict(zip(FIELDS, row, strict=True)), curve=self.curves[of]) for row, of in rows]


def near_any(value_B5: Tensor, others: Sequence[Envelope]) -> Tensor:
    """Tells which drawn envelopes would share a cluster with one of `others`, of any curve: bool [B].

    The rule is that of `manifests.splits.clusters.envelope_clusters`, so that a split's unseen ids stay
    unseen.
    """
    if not others:
        return torch.zeros(len(value_B5), dtype=torch.bool, device=value_B5.device)
    rows = [[float(getattr(envelope, name)) for name in FIELDS] for envelope in others]
    other_O5 = torch.tensor(rows, dtype=torch.float64, device=value_B5.device)
    apart = (value_B5[:, None] - other_O5).abs()
    larger = torch.maximum(value_B5[:, None], other_O5.expand(len(value_B5), -1, -1))
    allowed = (larger * (1.0 - 1.0 / TIME_RATIO)).clamp(min=TIME_STEP_MS)
    times = (apart <= allowed)[..., TIMES].all(-1)
    return (times & (apart[..., 3] <= LEVEL_STEP)).any(1)
