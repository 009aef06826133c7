"""Reads tones at any pitch and for any length.

At its own pitch a tone is read as it is. At others it is read faster or slower through a windowed sinc, whose
cutoff falls with the speed, so that nothing aliases. Beyond its end a tone continues in its loop, whose end
is crossfaded into what precedes its start.

Shape suffixes: N tones, R rows (notes to play), S samples of a row, T samples of a tone, V places, K phases,
X taps.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.dsp.windowed_sinc import shift_table
from train.systems.triptych.networks.tones import PADDING, Tones

GOOD_S = 0.2
"""Length in seconds from which a tone is as good as a longer one."""

SHORT_PRICE = 2.0
"""Semitones in pitch that a tone is worse by for each halving of its length below `GOOD_S`."""

CROSSFADE_S = 0.02
"""Longest crossfade at the end of a loop, in seconds."""

TAPS, KAISER, PHASES = 32, 7.5, 2048
"""Taps of the sinc, its window's parameter, and the fractions of a sample that it is tabulated for."""

MOST_POINTS = 1 << 17
"""Most samples that are interpolated at once, so that memory does not grow with the notes."""


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
    rows = zip(index_R.tolist(), distance_R.tolist(), start_R.tolist(), strict=True)
    ends = (tones.length_N + PADDING).cumsum(0).tolist()
    sounds = []
    for index, distance, start in rows:
        length, loop = int(tones.length_N[index]), int(tones.loop_N[index])
        tone = tones.pcm_S[ends[index] - length - PADDING : ends[index]].float() * tones.scale_N[index]
        at_S = torch.arange(samples, device=tone.device, dtype=torch.float64)
        place_S = (start + at_S) * 2.0 ** (distance / 12.0)
        sounds.append(_read_looped(tone, place_S, length, loop, distance, round(CROSSFADE_S * rate)))
    return torch.stack(sounds)


def _read_looped(
    tone_T: Tensor, place_S: Tensor, length: int, loop: int, distance: float, crossfade: int
) -> Tensor:
    """Reads places of a tone; those beyond its `length` lie in the loop at its end: float32 [S].

    The loop ends half a kernel earlier, so that no sample is interpolated from the silence after the tone.
    """
    length -= TAPS // 2
    begin = length - loop
    place_S = torch.where(place_S < length, place_S, begin + (place_S - begin).remainder(loop))
    sound_S = _interpolate(tone_T, place_S, distance)
    fade = max(min(loop // 2, begin // 2, crossfade), 1)
    (faded,) = (place_S > length - fade).nonzero(as_tuple=True)
    if len(faded):
        share = ((place_S[faded] - length) / fade + 1.0).float()
        earlier = _interpolate(tone_T, place_S[faded] - loop, distance)
        sound_S = sound_S.index_copy(0, faded, torch.lerp(sound_S[faded], earlier, share))
    return sound_S


def _interpolate(tone_T: Tensor, place_V: Tensor, distance: float) -> Tensor:
    """Reads a tone, before which there is silence, at fractional places: float32 [V]."""
    if distance == 0.0:
        return tone_T[place_V.long()]
    kernel_KX = _kernel(2.0 ** (distance / 12.0)).to(tone_T.device)
    window_TX = F.pad(tone_T, (TAPS // 2 - 1, TAPS // 2)).unfold(0, TAPS, 1)
    parts = []
    for place in torch.split(place_V, MOST_POINTS):
        fine = (place * PHASES).round().long()
        whole, phase = fine.div(PHASES, rounding_mode="floor"), fine % PHASES
        parts.append((window_TX[whole] * kernel_KX[phase]).sum(1))
    return torch.cat(parts)


@lru_cache(maxsize=64)
def _kernel(ratio: float) -> Tensor:
    """Computes the weights of all phases for a ratio of pitches: float32 [PHASES, TAPS]."""
    return torch.from_numpy(shift_table(ratio, TAPS, KAISER, PHASES)[:-1].astype(np.float32))
