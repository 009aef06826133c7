"""Measures how much of a recording its estimated notes leave unexplained: other voices, inharmonic partials.

Shape suffixes: B clips (1 here), N notes, G frames of 1024 samples, C bins.
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.nn.gain import NoteBatch
from train.systems.triptych.networks.features import LONG_HOP, LONG_WINDOW
from train.systems.triptych.networks.partials import midi_to_hz

LOWEST_HZ, HIGHEST_HZ = 50.0, 4000.0
"""The analysed band. Below it is rumble; above it the harmonics of two voices lie too close to separate."""

LOBE_BINS = 2.2
"""Half width of a steady partial's main lobe under a Hann window, in bins."""


def nonharmonic_power_ratio(long_BGC: Tensor, notes: NoteBatch, rate: int) -> float:
    """Computes the share of power, 0..1, that lies at no multiple of half the note's f0.

    Only frames that lie wholly inside a note count; the result is 0.0 if there are none. Subharmonics (odd
    multiples of f0/2) count as explained, since the decoder models them.

    Args:
        long_BGC: magnitudes of frames of 4096 samples every 1024, float32 [1, G, C].
        notes: the notes of the clip, times in samples.
        rate: sample rate in Hz.
    """
    power_GC = long_BGC[0].square()
    centre_G = torch.arange(len(power_GC), device=power_GC.device) * float(LONG_HOP)
    half = LONG_WINDOW / 2
    inside_NG = (centre_G - half >= notes.onset_BN[0, :, None]) & (
        centre_G + half <= notes.off_BN[0, :, None]
    )
    inside_NG &= notes.mask_BN[0, :, None]
    bin_hz = rate / LONG_WINDOW
    frequency_C = torch.arange(power_GC.shape[1], device=power_GC.device) * bin_hz
    analysed_C = (frequency_C > LOWEST_HZ) & (frequency_C < HIGHEST_HZ)
    spacing_N1 = midi_to_hz(notes.pitch_BN[0])[:, None] / 2.0
    distance_NC = (frequency_C - (frequency_C / spacing_N1).round() * spacing_N1).abs()
    nonharmonic_NC = (analysed_C & (distance_NC > LOBE_BINS * bin_hz)).float()
    power_NC = inside_NG.float() @ (power_GC * analysed_C)
    total = float(power_NC.sum())
    return float((power_NC * nonharmonic_NC).sum()) / total if total > 0.0 else 0.0
