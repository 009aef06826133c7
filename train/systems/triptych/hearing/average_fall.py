"""Reads an envelope from the average level of a clip's notes, as one start of the envelope fit.

Shape suffixes: B clips, N notes, L level steps of 64 samples, K steps of the average, P = 6 envelope numbers
in the head's units.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.nn.gain import EnvelopeBatch, NoteBatch, note_at
from train.systems.triptych.networks.envelope_head import to_units
from train.systems.triptych.networks.features import LEVEL_HOP

STEP_MS, STEPS = 10.0, 100
"""Grid of the average: one second."""

CUT_S = 0.01
"""Time before a note's end that does not count, since notes are cut there."""

DECAY_MS = (5.0, 5000.0)
"""Shortest and longest decay that is read."""


def average_fall(level_BL: Tensor, notes: NoteBatch, rate: int, units_BP: Tensor) -> Tensor:
    """Reads decay and sustain level from the average level of notes that are taken as held: [B, P].

    Each note is divided by its peak. The sustain level is the lowest average after the highest one, and the
    decay is that of a straight line with the same area. The other numbers are those of `units_BP`.
    """
    device = level_BL.device
    amplitude_BL = F.avg_pool1d(level_BL[:, None], 9, 1, 4, count_include_pad=False)[:, 0].sqrt()
    at_BL = (torch.arange(level_BL.shape[1], device=device) * float(LEVEL_HOP)).expand_as(level_BL)
    index_BL, has_note_BL = note_at(notes, at_BL)
    onset_BL, end_BL = (part.gather(1, index_BL) for part in (notes.onset_BN, notes.end_BN))
    step_BL = ((at_BL - onset_BL) * (1000.0 / rate / STEP_MS)).long()
    counts_BL = (has_note_BL & (at_BL < end_BL - CUT_S * rate) & (step_BL < STEPS)).float()
    peak_BN = torch.zeros(notes.onset_BN.shape, device=device)
    peak_BN = peak_BN.scatter_reduce(1, index_BL, amplitude_BL * counts_BL, "amax")
    relative_BL = amplitude_BL / peak_BN.gather(1, index_BL).clamp(min=1e-6)
    step_BL = step_BL.clamp(0, STEPS - 1)
    sum_BK, count_BK = (
        torch.zeros(len(level_BL), STEPS, device=device).scatter_add(1, step_BL, values)
        for values in (relative_BL * counts_BL, counts_BL)
    )
    mean_BK, known_BK = sum_BK / count_BK.clamp(min=1.0), count_BK > 0.5
    highest_B1, start_B1 = (mean_BK * known_BK).max(1, keepdim=True)
    after_BK = known_BK & (torch.arange(STEPS, device=device) >= start_B1)
    lowest_B1 = torch.where(after_BK, mean_BK, 2.0).amin(1, keepdim=True).clamp(max=1.0)
    fall_BK = ((mean_BK - lowest_B1) / (highest_B1 - lowest_B1).clamp(min=1e-3)).clamp(0.0, 1.0)
    decay_B = (2.0 * STEP_MS * (fall_BK * after_BK).sum(1)).clamp(*DECAY_MS)
    sustain_B = (lowest_B1 / highest_B1.clamp(min=1e-6))[:, 0].clamp(0.0, 1.0)
    zero_B = torch.zeros_like(decay_B)
    read_BP = to_units(EnvelopeBatch(zero_B, zero_B, decay_B, sustain_B, zero_B, zero_B))
    is_read_P = torch.tensor([False, False, True, True, False, False], device=device)
    return torch.where(is_read_P, read_BP, units_BP)
