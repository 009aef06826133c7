"""How much of a recording its notes do not explain: other voices, and partials that are no harmonics."""

from __future__ import annotations

import torch
from torch import Tensor

from train.nn.gain import NoteBatch
from train.systems.triptych.networks.features import LONG_HOP, LONG_WINDOW
from train.systems.triptych.networks.partials import hertz

LOWEST_HZ, HIGHEST_HZ = 50.0, 4000.0
"""Where voices are told apart: lower is rumble, higher the harmonics of two stand too close."""

LOBE = 2.2
"""Half of what a steady partial fills of a Hann window's spectrum, in bins."""


def unexplained(long_BGC: Tensor, notes: NoteBatch, rate: int) -> float:
    """The share, 0..1, of one clip's power that is at no multiple of half its note's frequency, over all
    frames that lie inside a note; 0 where none does. Halves count as explained, as the decoder has them.

    `long_BGC` are magnitudes of frames of 4096 samples every 1024, [1, G, bins].
    """
    power_GC = long_BGC[0].square()
    centre_G = torch.arange(len(power_GC), device=power_GC.device) * float(LONG_HOP)
    half = LONG_WINDOW / 2
    inside_NG = (centre_G - half >= notes.onset_BN[0, :, None]) & (
        centre_G + half <= notes.off_BN[0, :, None]
    )
    inside_NG &= notes.mask_BN[0, :, None]
    step = rate / LONG_WINDOW
    bins_C = torch.arange(power_GC.shape[1], device=power_GC.device) * step
    heard_C = (bins_C > LOWEST_HZ) & (bins_C < HIGHEST_HZ)
    spacing_N1 = hertz(notes.pitch_BN[0])[:, None] / 2.0
    away_NC = (bins_C - (bins_C / spacing_N1).round() * spacing_N1).abs()
    beside_NC = (heard_C & (away_NC > LOBE * step)).float()
    of_note_NC = inside_NG.float() @ (power_GC * heard_C)
    total = float(of_note_NC.sum())
    return float((of_note_NC * beside_NC).sum()) / total if total > 0.0 else 0.0
