"""Predicts how the levels of harmonics change from a tone's pitch to another pitch of the same timbre.

Read faster or slower, a tone keeps the level of each harmonic. Synths do not quite: filters do not follow the
key by the same amount, and samples change from zone to zone. The network compares the tone with the other
notes of its recording, by harmonic number and by frequency, and corrects the levels. At distance 0 the
correction is 0 by construction.

Shape suffixes: B clips, N notes, R rows (notes to play), K harmonics, C channels or bins, D numbers
of a vector.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.nn.gain import NoteBatch
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.networks.excitation import partial_positions
from train.systems.triptych.networks.partials import interpolate_levels, levels_at_frequencies, midi_to_hz
from train.systems.triptych.networks.timbre import Profile

FEATURES = 8
"""Numbers that describe a harmonic to the network."""

WIDTH, LAYERS, KERNEL = 48, 3, 5
"""Channels, layers, and harmonics that a layer sees at once."""

RAMP = 2.0
"""Distance in semitones at which the correction has 63% of its strength."""

DYNAMIC_RANGE = 7.0
"""Levels this much below a tone's highest, in natural logarithms (61 dB), count as equal."""

LEAST_CONFIDENCE, USABLE_CONFIDENCE = -3.0, -10.0
"""Confidence, see `Profile`, of the notes that are learned from, and of those that are compared with."""

PRICE = 0.1
"""Price in the loss of corrections, in natural logarithms: what is not clearly better stays as it is."""

LARGEST = 2.8
"""Largest correction in natural logarithms: 24 dB."""

CONTEXT_SPREAD = 5.0
"""Distance in semitones over which another note's weight falls by a factor of e."""


class Transposition(nn.Module):
    """Corrects the levels of harmonics of transposed tones.

    Args:
        config: number of harmonics and of a timbre vector's numbers.
        rate: sample rate in Hz.

    Example::

        correction_RK = model.transposition(profile, vectors, clip_R, tone_pitch_R, pitch_R)
    """

    def __init__(self, config: TriptychConfig, rate: int) -> None:
        super().__init__()
        self.rate = rate
        self.enter = nn.Conv1d(FEATURES, WIDTH, 1)
        self.timbre = nn.Linear(config.timbre_dims, WIDTH)
        self.layers = nn.ModuleList(
            nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2) for _ in range(LAYERS)
        )
        self.leave = nn.Conv1d(WIDTH, 1, 1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, profile: Profile, vector_BKD: Tensor, clip_R: Tensor, from_R: Tensor, to_R: Tensor
    ) -> Tensor:
        """Predicts the change of log levels, without that of the tone's level: float32 [R, K].

        Args:
            profile: profiles of B clips. Notes at the pitch `to_R` are not used.
            vector_BKD: timbre vectors of B clips.
            clip_R: index of each row's clip.
            from_R: MIDI pitch of each row's tone; the clip has a note there.
            to_R: MIDI pitch at which it is played.
        """
        with torch.autocast(to_R.device.type, enabled=False):
            level_RK = levels_at(profile, clip_R, from_R)
            top_R1 = level_RK.amax(1, keepdim=True)
            features_RCK = self._features(profile, clip_R, from_R, to_R, level_RK, top_R1)
            h_RCK = self.enter(features_RCK) + self.timbre(vector_BKD[clip_R, 0])[..., None]
            for layer in self.layers:
                h_RCK = h_RCK + F.gelu(layer(h_RCK))
            correction_RK = LARGEST * torch.tanh(self.leave(F.gelu(h_RCK))[:, 0] / LARGEST)
            strength_R1 = 1.0 - torch.exp((from_R - to_R).abs() / -RAMP)[:, None]
            return keep_power(level_RK, strength_R1 * correction_RK)

    def _features(
        self, profile: Profile, clip_R: Tensor, from_R: Tensor, to_R: Tensor, level_RK: Tensor, top_R1: Tensor
    ) -> Tensor:
        """Describes each harmonic of each row: float32 [R, FEATURES, K]."""
        pitch_RN = profile.pitch_BN[clip_R]
        away_RN = (pitch_RN - to_R[:, None]).abs()
        usable_RN = (profile.confidence_BN[clip_R] > USABLE_CONFIDENCE) & (away_RN > 0.5)
        weight_RN = (profile.confidence_BN[clip_R] - away_RN / CONTEXT_SPREAD).masked_fill(~usable_RN, -1e4)
        weight_RN = weight_RN.softmax(1)
        levels_RNK = profile.harmonic_BNK[clip_R]
        context_RK = torch.einsum("rn,rnk->rk", weight_RN, levels_RNK)
        moved_RNK = levels_at_frequencies(levels_RNK, to_R[:, None] - pitch_RN)
        moved_context_RK = torch.einsum("rn,rnk->rk", weight_RN, moved_RNK)
        moved_RK = levels_at_frequencies(level_RK[:, None], (to_R - from_R)[:, None])[:, 0]

        def relative(level: Tensor) -> Tensor:
            return (level - top_R1).clamp(min=-DYNAMIC_RANGE)

        own_RK = relative(level_RK)
        number_K = torch.arange(1, level_RK.shape[1] + 1, device=to_R.device)
        hertz_RK = midi_to_hz(to_R)[:, None] * number_K
        distance_RK = ((to_R - from_R) / 12.0)[:, None].expand_as(own_RK)
        return torch.stack(
            [
                own_RK / 4.0 + 1.0,
                relative(moved_RK) - own_RK,
                relative(context_RK) - own_RK,
                relative(moved_context_RK) - own_RK,
                (hertz_RK / 1000.0).log() / 2.0,
                (hertz_RK < self.rate / 2.0).float(),
                distance_RK,
                distance_RK.abs(),
            ],
            dim=1,
        )

    def loss(self, profile: Profile, power_BNC: Tensor, vector_BKD: Tensor, notes: NoteBatch) -> Tensor:
        """Compares transposed spectra of notes with those of other notes of the same clip.

        Another pitch of the clip is drawn for each note from torch's global generator. Its spectrum is read
        at the ratio of both pitches and corrected. The loss is the mean absolute difference of the
        logarithms of power (base 10), down to 60 dB below the highest, and a price for corrections.

        Args:
            profile: profiles of B clips.
            power_BNC: power spectra of their notes, see `timbre.note_spectra`.
            vector_BKD: timbre vectors of B clips.
            notes: the notes.
        """
        clip_R, from_N, to_N = self._draw_rows(profile, notes)
        if not len(clip_R):
            return profile.harmonic_BNK.sum() * 0.0
        from_R, to_R = notes.pitch_BN[clip_R, from_N], notes.pitch_BN[clip_R, to_N]
        correction_RK = self(profile, vector_BKD, clip_R, from_R, to_R)
        start_RC, end_RC = (power_BNC[clip_R, index].clamp(min=1e-12).log() for index in (from_N, to_N))
        bins = start_RC.shape[1]
        at_RC = torch.arange(bins, device=to_R.device) * torch.exp2((from_R - to_R) / 12.0)[:, None]
        read_RC = (at_RC <= bins - 1).float()
        low_RC = at_RC.floor().long().clamp(max=bins - 2)
        moved_RC = torch.lerp(
            start_RC.gather(1, low_RC), start_RC.gather(1, low_RC + 1), (at_RC - low_RC).clamp(max=1.0)
        )
        f0_R = midi_to_hz(to_R)
        hertz_C = torch.linspace(0.0, self.rate / 2.0, bins, device=to_R.device)
        position_RC = partial_positions(hertz_C / f0_R[:, None] - 1.0, f0_R, self.rate)
        moved_RC = moved_RC + 2.0 * interpolate_levels(correction_RK[:, None], position_RC)[:, 0]
        # The level of the whole tone is interpolated, not predicted.
        power_R1, moved_power_R1 = (
            (part.exp() * read_RC).sum(1, keepdim=True).clamp(min=1e-9) for part in (end_RC, moved_RC)
        )
        moved_RC = moved_RC + (power_R1 / moved_power_R1).log()
        floor_R1 = end_RC.amax(1, keepdim=True) - 2.0 * DYNAMIC_RANGE
        difference_RC = (torch.maximum(moved_RC, floor_R1) - torch.maximum(end_RC, floor_R1)).abs()
        distance = (difference_RC * read_RC).sum() / read_RC.sum() / math.log(10.0)
        loss: Tensor = distance + PRICE * correction_RK.abs().mean()
        return loss

    def _draw_rows(self, profile: Profile, notes: NoteBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Draws a note of another pitch for each note: clip, other note and note, int64 [R] each.

        For half of them it is one of the nearest in pitch, as in conversions.
        """
        usable_BN = notes.mask_BN & (profile.confidence_BN > LEAST_CONFIDENCE)
        distance_BNN = (notes.pitch_BN[:, :, None] - notes.pitch_BN[:, None]).abs()
        other_BNN = (distance_BNN > 0.5) & usable_BN[:, None] & usable_BN[:, :, None]
        draw_BNN = torch.rand(other_BNN.shape, device=other_BNN.device)
        near_BN1 = torch.rand(usable_BN.shape, device=other_BNN.device)[..., None] < 0.5
        score_BNN = (draw_BNN - near_BN1 * distance_BNN).masked_fill(~other_BNN, -1e4)
        clip_R, to_N = other_BNN.any(2).nonzero(as_tuple=True)
        return clip_R, score_BNN.argmax(2)[clip_R, to_N], to_N


def keep_power(level_RK: Tensor, change_RK: Tensor) -> Tensor:
    """Shifts changes of log levels, so that the power of all harmonics stays as it is: [R, K]."""
    power_R1, changed_R1 = (
        (2.0 * part).exp().sum(1, keepdim=True).clamp(min=1e-12) for part in (level_RK, level_RK + change_RK)
    )
    return change_RK - 0.5 * (changed_R1 / power_R1).log()


def levels_at(profile: Profile, clip_R: Tensor, pitch_R: Tensor) -> Tensor:
    """Averages the log levels of harmonics over a clip's notes at a pitch: float32 [R, K]."""
    there_RN = (profile.pitch_BN[clip_R] - pitch_R[:, None]).abs() < 0.5
    weight_RN = profile.confidence_BN[clip_R].masked_fill(~there_RN, -1e4).softmax(1)
    return torch.einsum("rn,rnk->rk", weight_RN, profile.harmonic_BNK[clip_R])
