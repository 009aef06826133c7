"""Plays dry tones of given pitches in a timbre: the recording's own tones, or oscillators where it has none.

- At the pitch of one of the recording's tones, that tone is read as it is.
- At another pitch the nearest one is read faster or slower, and the levels of its harmonics are corrected.
- Read slower, a tone ends below half the sample rate. What is missing above comes from oscillators, at the
  level and with the slope that the tone has below.
- A timbre without tones is played by oscillators alone.

Shape suffixes: R rows (notes), S samples, F frames, C bins, K harmonics.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from train.systems.triptych.networks.excitation import (
    HOP,
    WINDOW,
    frame_spectra,
    overlap_add,
    partial_positions,
)
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.partials import interpolate_levels, midi_to_hz
from train.systems.triptych.networks.timbre import Timbre
from train.systems.triptych.networks.tone_reading import choose_tones, level_at, read_tones
from train.systems.triptych.networks.tones import Tones

TOP_SHARE = 0.95
"""Share of a slower tone's band up to which it is used."""

FADE_SHARE = 0.05
"""Width of the transition to the oscillators, as a share of its frequency."""

LOWER_BAND, UPPER_BAND = (0.5, 0.75), (0.75, 0.97)
"""Bands below the transition, as shares of its frequency, that tell the tone's level and slope there."""

STEEPEST = 8.0
"""Steepest slope above the transition: amplitude falls by at most this power of the frequency."""


class ToneRows(NamedTuple):
    """Rows to play, each a part of one note's tone.

    Attributes:
        pitch_R: MIDI pitch, float32.
        start_R: sample of the tone at which the row begins, float32, a multiple of 512.
        length_R: wanted length in samples, float32. What is within it does not depend on longer rows.
        noise_seed_R: integer that selects the noise of the oscillators.
    """

    pitch_R: Tensor
    start_R: Tensor
    length_R: Tensor
    noise_seed_R: Tensor

    def select(self, index: Tensor) -> ToneRows:
        """Returns some of the rows."""
        return ToneRows(*(part[index] for part in self))


def play_tones(model: TriptychModel, timbre: Timbre, rows: ToneRows, samples: int) -> Tensor:
    """Plays `samples` of dry tones, which have an RMS near 0.1 and the timbre's levels over pitch: [R, S].

    Example::

        play_tones(model, timbre, ToneRows(pitch_R, start_R, length_R, noise_seed_R), 22_528)
    """
    if timbre.tones is None:
        return _oscillators(model, timbre, rows, samples)
    tones, rate = timbre.tones, model.format.rate
    index_R, distance_R = choose_tones(tones, rows.pitch_R, rate)
    sound_RS = read_tones(tones, index_R, distance_R, rows.start_R, samples, rate)
    sound_RS = _cut(sound_RS, rows)
    (moved,) = (distance_R != 0.0).nonzero(as_tuple=True)
    if len(moved):
        sound_RS = sound_RS.index_copy(
            0, moved, _transpose(model, timbre, tones, rows.select(moved), index_R[moved], sound_RS[moved])
        )
    return sound_RS


def _oscillators(model: TriptychModel, timbre: Timbre, rows: ToneRows, samples: int) -> Tensor:
    """Plays rows with the decoder's oscillators: [R, S]."""
    clip_R = torch.zeros(len(rows.pitch_R), dtype=torch.long, device=rows.pitch_R.device)
    pitch_R, start_R, length_R, noise_seed_R = rows
    tone_RS: Tensor = model.decoder(
        timbre.profile, timbre.vectors, clip_R, pitch_R, start_R, samples, length_R, noise_seed_R
    )
    return tone_RS


def _transpose(
    model: TriptychModel, timbre: Timbre, tones: Tones, rows: ToneRows, index_R: Tensor, sound_RS: Tensor
) -> Tensor:
    """Corrects transposed tones: their harmonics, their level, and the band above slower ones: [R, S]."""
    rate, samples = model.format.rate, sound_RS.shape[1]
    from_R, level_R = tones.pitch_N[index_R], tones.level_N[index_R]
    clip_R = torch.zeros(len(from_R), dtype=torch.long, device=from_R.device)
    correction_RK = model.transposition(timbre.profile, timbre.vectors, clip_R, from_R, rows.pitch_R)
    f0_R = midi_to_hz(rows.pitch_R)
    bins_C = torch.arange(WINDOW // 2 + 1, device=f0_R.device) * (rate / WINDOW)
    position_RC = partial_positions(bins_C / f0_R[:, None] - 1.0, f0_R, rate)
    spectra_RFC = padded_spectra(sound_RS)
    spectra_RFC = spectra_RFC * interpolate_levels(correction_RK[:, None], position_RC).exp()
    (slower,) = (rows.pitch_R < from_R).nonzero(as_tuple=True)
    if len(slower):
        filling_RS = _cut(_oscillators(model, timbre, rows.select(slower), samples), rows.select(slower))
        filling_RS = filling_RS * level_R[slower].exp()[:, None]
        edge_R = 0.5 * rate * TOP_SHARE * torch.exp2((rows.pitch_R - from_R)[slower] / 12.0)
        filled = fill_top(spectra_RFC[slower], padded_spectra(filling_RS), edge_R, bins_C)
        spectra_RFC = spectra_RFC.index_copy(0, slower, filled)
    change_R = level_at(tones, rows.pitch_R) - level_R
    return overlap_add(spectra_RFC)[:, WINDOW : WINDOW + samples] * change_R.exp()[:, None]


def _cut(sound_RS: Tensor, rows: ToneRows) -> Tensor:
    """Silences what is beyond each row's length, so that its last frames do not depend on longer rows."""
    return sound_RS * (torch.arange(sound_RS.shape[1], device=sound_RS.device) < rows.length_R[:, None])


def padded_spectra(sound_RS: Tensor) -> Tensor:
    """Computes spectra of rows with a window of silence on both sides: [R, F, C]."""
    return frame_spectra(F.pad(sound_RS, (WINDOW, WINDOW + -sound_RS.shape[1] % HOP)))


def fill_top(tone_RFC: Tensor, filling_RFC: Tensor, edge_R: Tensor, bins_C: Tensor) -> Tensor:
    """Replaces what is above `edge_R` by a filling, which goes on with each frame's level and slope.

    The filling is never made louder, nor its slope flatter. So a tone that ends below the edge stays as it
    is. Returns spectra [R, F, C].

    Args:
        tone_RFC: spectra of the tones.
        filling_RFC: spectra of the filling.
        edge_R: the frequency in Hz.
        bins_C: the frequency of each bin in Hz.
    """
    share_R1C = bins_C / edge_R[:, None, None]
    tone_lower, tone_upper = (_band_level(tone_RFC, share_R1C, band) for band in (LOWER_BAND, UPPER_BAND))
    filling_lower, filling_upper = (
        _band_level(filling_RFC, share_R1C, band) for band in (LOWER_BAND, UPPER_BAND)
    )
    lower, upper = (0.5 * sum(band) for band in (LOWER_BAND, UPPER_BAND))
    slope_RF1 = ((tone_upper - tone_lower) - (filling_upper - filling_lower)) / math.log(upper / lower)
    level_RFC = (tone_upper - filling_upper).clamp(max=0.0) + slope_RF1.clamp(-STEEPEST, 0.0) * (
        share_R1C / upper
    ).clamp(min=1.0).log()
    weight_R1C = ((share_R1C - 1.0) / FADE_SHARE + 0.5).clamp(0.0, 1.0)
    return tone_RFC * (1.0 - weight_R1C) + filling_RFC * level_RFC.exp() * weight_R1C


def _band_level(spectra_RFC: Tensor, share_R1C: Tensor, band: tuple[float, float]) -> Tensor:
    """Computes half the log mean power of a band, [R, F, 1]; `share_R1C` are frequencies over the edge."""
    inside_R1C = ((share_R1C >= band[0]) & (share_R1C < band[1])).float()
    power = (spectra_RFC.abs().square() * inside_R1C).sum(-1, keepdim=True)
    return 0.5 * (power / inside_R1C.sum(-1, keepdim=True).clamp(min=1.0)).clamp(min=1e-12).log()
