"""Reads tones at any pitch and for any length.

At its own pitch a tone is read as it is. At others it is read faster or slower through a windowed sinc, whose
cutoff falls with the speed, so that nothing aliases. Beyond its end a tone continues in its loop, whose end
is crossfaded into what precedes its start.

Shape suffixes: N tones, R rows (notes to play), S samples of a row, V points of several rows, K phases, X
taps.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.dsp.windowed_sinc import kaiser_sinc, tap_offsets
from train.systems.triptych.networks.tones import PADDING, Tones

GOOD_S = 0.2
"""Length in seconds from which a tone is as good as a longer one."""

SHORT_PRICE = 2.0
"""Semitones in pitch that a tone is worse by for each halving of its length below `GOOD_S`."""

CROSSFADE_S = 0.02
"""Longest crossfade at the end of a loop, in seconds."""

TAPS, KAISER, PHASES = 16, 9.0, 2048
"""Taps of the sinc, its window's parameter, and the fractions of a sample that it is tabulated for."""

MOST_POINTS = 1 << 19
"""Most samples that are interpolated at once, so that memory does not grow with the rows."""


def choose_tones(tones: Tones, pitch_R: Tensor, rate: int) -> tuple[Tensor, Tensor]:
    """Chooses the tone that each row is played with: its index, and the semitones from it to the row's pitch.

    The nearest in pitch is chosen; a short one is as bad as one that is farther away. `rate` is in Hz.
    """
    distance_RN = pitch_R[:, None] - tones.pitch_N
    short_N = (GOOD_S * rate / tones.length_N).log2().clamp(min=0.0)
    index_R = (distance_RN.abs() + SHORT_PRICE * short_N).argmin(1)
    return index_R, distance_RN.gather(1, index_R[:, None])[:, 0]


def level_at(tones: Tones, pitch_R: Tensor) -> Tensor:
    """Interpolates the logarithmic levels of tones over pitch, constant beyond both ends: [R]."""
    order = tones.pitch_N.argsort()
    pitch_N, level_N = tones.pitch_N[order], tones.level_N[order]
    above = torch.searchsorted(pitch_N, pitch_R.contiguous()).clamp(max=len(pitch_N) - 1)
    below = (above - 1).clamp(min=0)
    width = (pitch_N[above] - pitch_N[below]).clamp(min=1e-3)
    share = ((pitch_R - pitch_N[below]) / width).clamp(0.0, 1.0)
    return torch.lerp(level_N[below], level_N[above], share)


def read_tones(
    tones: Tones, index_R: Tensor, distance_R: Tensor, start_R: Tensor, samples: int, rate: int
) -> Tensor:
    """Reads tones at `distance_R` semitones above their pitch: float32 [R, S].

    Args:
        tones: the tones.
        index_R: index of each row's tone.
        distance_R: semitones by which it is moved up.
        start_R: sample of the played tone at which the row begins.
        samples: length of all rows.
        rate: sample rate in Hz.
    """
    at_S = torch.arange(samples, device=start_R.device)
    ratio_R1 = torch.exp2(distance_R.double() / 12.0)[:, None]
    place_RS = (start_R.double()[:, None] + at_S) * ratio_R1
    length_R1, loop_R1 = (part[index_R].double()[:, None] for part in (tones.length_N, tones.loop_N))
    begin_R1 = length_R1 - loop_R1
    wrapped_RS = begin_R1 + (place_RS - begin_R1).remainder(loop_R1)
    place_RS = torch.where(place_RS >= length_R1, wrapped_RS, place_RS)
    fade_R1 = (0.5 * torch.minimum(loop_R1, begin_R1)).clamp(1.0, CROSSFADE_S * rate)
    faded_RS = ((place_RS - length_R1) / fade_R1 + 1.0).clamp(0.0, 1.0).float()
    kernels = [_kernel(ratio) for ratio in ratio_R1[:, 0].tolist()]
    kernel_RKX = torch.stack(kernels).to(start_R.device)
    row_RS = torch.arange(len(index_R), device=start_R.device)[:, None].expand(-1, samples)
    sound_V = _interpolate(tones, index_R, row_RS.flatten(), place_RS.flatten(), kernel_RKX)
    sound_RS = sound_V.view(-1, samples)
    row_V, column_V = faded_RS.nonzero(as_tuple=True)
    earlier_V = _interpolate(tones, index_R, row_V, (place_RS - loop_R1)[row_V, column_V], kernel_RKX)
    mixed_V = torch.lerp(sound_RS[row_V, column_V], earlier_V, faded_RS[row_V, column_V])
    return sound_RS.index_put((row_V, column_V), mixed_V)


def tone_offsets(tones: Tones) -> Tensor:
    """Returns the place of each tone's first sample, int64 [N]."""
    return F.pad((tones.length_N + PADDING).cumsum(0), (1, 0))[:-1]


def _interpolate(tones: Tones, index_R: Tensor, row_V: Tensor, place_V: Tensor, kernel_RKX: Tensor) -> Tensor:
    """Reads points at fractional places of the tones of their rows; nothing precedes a tone: float32 [V]."""
    parts = []
    for row, place in zip(torch.split(row_V, MOST_POINTS), torch.split(place_V, MOST_POINTS), strict=True):
        # Rounded to the nearest phase, so that whole places are read as they are.
        fine = (place * PHASES).round().long()
        whole, phase = fine.div(PHASES, rounding_mode="floor"), fine % PHASES
        weight_VX = kernel_RKX.flatten(0, 1)[row * PHASES + phase]
        tone = index_R[row]
        base = tone_offsets(tones)[tone] + whole
        total = torch.zeros(len(row), device=place.device)
        for tap, offset in enumerate(tap_offsets(TAPS).tolist()):
            value = tones.pcm_S[(base + offset).clamp(0, len(tones.pcm_S) - 1)] * (whole + offset >= 0)
            total = torch.addcmul(total, value.float(), weight_VX[:, tap])
        parts.append(total * tones.scale_N[tone])
    return torch.cat(parts) if parts else torch.zeros(0, device=place_V.device)


@lru_cache(maxsize=128)
def _kernel(ratio: float) -> Tensor:
    """Computes the weights of all phases for a ratio of pitches: float32 [PHASES, TAPS]."""
    distance = tap_offsets(TAPS)[None, :] - (np.arange(PHASES) / PHASES)[:, None]
    weights = kaiser_sinc(distance, TAPS, KAISER, min(1.0, 1.0 / ratio)) / np.i0(KAISER)
    return torch.from_numpy(weights.astype(np.float32))
