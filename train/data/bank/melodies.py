"""Draws fresh phrases: the arithmetic of `midi.generate` for many phrases at once, away from held-out ones.

Equal uniform numbers give the same notes as there; tests compare the two. A draw that leaves the pitch range,
or is a held-out phrase in some key, is rejected.

Tensor names: B phrases, N notes (padded), C scales, D degrees, S steps, X steps of a motif, E closing
degrees, O held-out phrases, U uniform numbers; 4 values of a note: onset, note-off, pitch, velocity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manifests.splits.clusters import SAME_S
from manifests.synthesis.octaves import LOWEST_MEDIAN
from manifests.synthesis.phrase_constants import (
    FARTHEST_DEGREE,
    FIRST_DEGREES,
    INVERT_PROBABILITY,
    MOTIF_LENGTHS,
    REPEAT_LAST_PROBABILITY,
    ROUNDING,
    SCALE_STEP_WEIGHTS,
    SCALE_STEPS,
    STACCATO_SHARES,
    VARY_PROBABILITY,
    VELOCITY_WEIGHTS,
)
from manifests.types import Note, Notes
from train.data.bank.rhythms import Rhythms, UniformRows

DEGREES = 7
"""Degrees of the longest scale."""


class Melodies:
    """Generates the phrases of one spec (`fresh.phrases` of a bank) in clips of `seconds`."""

    def __init__(self, spec: dict[str, Any], seconds: float, device: torch.device) -> None:
        self.spec, self.rhythms = spec, Rhythms(spec, seconds, device)
        scales = [[*scale, *[0] * (DEGREES - len(scale))] for scale in spec["scales"]]
        self.scales_CD = torch.tensor(scales, device=device)
        self.size_C = torch.tensor([len(scale) for scale in spec["scales"]], device=device)
        weights = torch.tensor(SCALE_STEP_WEIGHTS, dtype=torch.float64)
        self.until_S = (weights.cumsum(0) / weights.sum()).to(device)
        self.first_D = torch.tensor(FIRST_DEGREES, device=device)
        self.step_S = torch.tensor(SCALE_STEPS, device=device)

    @property
    def draws(self) -> int:
        """An upper bound of the uniform numbers that one phrase takes."""
        return 2 + self.rhythms.draws + 7 + 3 * self.rhythms.most + 1 + self.rhythms.most

    @property
    def style_draws(self) -> int:
        """The uniform numbers that one phrase's style takes (`midi.style`)."""
        return 2 + 2 * self.rhythms.most

    def draw(self, u_BU: Tensor, style_BU: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draws phrases from `draws` uniform numbers each, and `style_draws` for their styles.

        Returns onset and note-off in s, pitch and velocity, float64 [B, N, 4]; the number of notes, int64
        [B]; and which phrases stay in the pitch range, bool [B].
        """
        draws = UniformRows(u_BU)
        scale_B = (draws.take() * len(self.size_C)).long()
        tonic_B = LOWEST_MEDIAN + (draws.take() * 12).long()
        most, (shortest, longest) = self.rhythms.most, STACCATO_SHARES
        staccato_BN = shortest + (longest - shortest) * style_BU[:, 2 : 2 + most]
        onset_BN, off_BN, count_B = self.rhythms.draw(
            draws, staccato_BN, style_BU[:, 1] < self.spec.get("staccato", 0.0)
        )
        degree_BN = self._repeated(
            self._degrees(draws, count_B, self.size_C[scale_B]), count_B, style_BU[:, 2 + most :]
        )
        size_B1 = self.size_C[scale_B][:, None]
        octave_BN = torch.div(degree_BN, size_B1, rounding_mode="floor")
        pitch_BN = tonic_B[:, None] + self.scales_CD[scale_B].gather(1, degree_BN % size_B1) + 12 * octave_BN
        low, high = self.spec["velocity"]
        of_phrase, of_note, accent = VELOCITY_WEIGHTS
        base_B = draws.take()
        real_BN = torch.arange(onset_BN.shape[1], device=u_BU.device) < count_B[:, None]
        on_beat_BN = (onset_BN / self.rhythms.grid_s).round() % 2 == 0
        velocities = []
        for n in range(onset_BN.shape[1]):
            force_B = of_phrase * base_B + of_note * draws.take(real_BN[:, n])
            force_B = force_B + accent * on_beat_BN[:, n].double()
            velocities.append((low + (force_B * (high - low + 1)).long()).clamp(max=high))
        pitch_BN = pitch_BN - 12 * self._octave(pitch_BN, off_BN - onset_BN, real_BN)[:, None]
        low, high = self.spec.get("register", (0, 0))
        register_B = low + (style_BU[:, 0] * (high - low + 1)).long()
        inside_BN = (pitch_BN >= self.spec["lowest_pitch"]) & (pitch_BN <= self.spec["highest_pitch"])
        pitch_BN = pitch_BN + 12 * register_B[:, None]
        notes = torch.stack(
            [onset_BN, off_BN, pitch_BN.double(), torch.stack(velocities, dim=1).double()], dim=2
        )
        return notes, count_B, (inside_BN | ~real_BN).all(1)

    def _degrees(self, draws: UniformRows, count_B: Tensor, size_B: Tensor) -> Tensor:
        """Draws melodies in degrees of their scales, 0 the tonic: int64 [B, N]."""
        length_B = MOTIF_LENGTHS[0] + (draws.take() * len(MOTIF_LENGTHS)).long()
        motif_BX = torch.stack(
            [self._step(draws.take(length_B > x)) for x in range(MOTIF_LENGTHS[-1])], dim=1
        )
        degree_B = self.first_D[(draws.take() * len(FIRST_DEGREES)).long()]
        degrees, sign_B = [degree_B], torch.ones_like(degree_B)
        for n in range(1, self.rhythms.most):
            walking_B = n < count_B - 1
            place_B = (n - 1) % length_B
            turns_B = walking_B & (place_B == 0)
            sign_B = torch.where(turns_B & (draws.take(turns_B) < INVERT_PROBABILITY), -sign_B, sign_B)
            step_B = sign_B * motif_BX.gather(1, place_B[:, None])[:, 0]
            varied_B = walking_B & (draws.take(walking_B) < VARY_PROBABILITY)
            step_B = torch.where(varied_B, self._step(draws.take(varied_B)), step_B)
            step_B = torch.where((degree_B + step_B).abs() > FARTHEST_DEGREE, -step_B, step_B)
            degree_B = torch.where(walking_B, degree_B + step_B, degree_B)
            degrees.append(degree_B)
        ends_BE = torch.stack(
            [
                octave + step
                for octave in (-size_B, 0 * size_B, size_B)
                for step in (0 * size_B, 2 + 0 * size_B, size_B - 3)
            ],
            dim=1,
        )
        # Nearest first, of two the lower one: one number orders both.
        order_BE = ((ends_BE - degree_B[:, None]).abs() * 256 + ends_BE).argsort(dim=1)
        near_B, next_B = (ends_BE.gather(1, order_BE[:, k : k + 1])[:, 0] for k in (0, 1))
        same_B = near_B == degree_B
        stays_B = draws.take(same_B) < REPEAT_LAST_PROBABILITY
        last_B = torch.where(~same_B | stays_B, near_B, next_B)
        degree_BN = torch.stack(degrees, dim=1)
        return degree_BN.scatter(1, count_B[:, None] - 1, last_B[:, None])

    def _repeated(self, degree_BN: Tensor, count_B: Tensor, u_BN: Tensor) -> Tensor:
        """Repeats the degree before where the numbers say so, but in the first and last note: [B, N]."""
        degrees = [degree_BN[:, 0]]
        for n in range(1, degree_BN.shape[1]):
            repeats_B = (u_BN[:, n] < self.spec.get("repeats", 0.0)) & (n < count_B - 1)
            degrees.append(torch.where(repeats_B, degrees[-1], degree_BN[:, n]))
        return torch.stack(degrees, dim=1)

    def _step(self, u_B: Tensor) -> Tensor:
        return self.step_S[(self.until_S <= u_B[:, None]).sum(1).clamp(max=len(SCALE_STEPS) - 1)]

    def _octave(self, pitch_BN: Tensor, duration_BN: Tensor, real_BN: Tensor) -> Tensor:
        """Computes each phrase's octave, of its duration-weighted median pitch (`synthesis.octaves`): [B]."""
        ordered_BN, order_BN = torch.where(real_BN, pitch_BN, 1000).sort(dim=1, stable=True)
        passed_BN = torch.where(real_BN, duration_BN, 0.0).gather(1, order_BN).cumsum(1)
        median_B = ordered_BN.gather(
            1, (passed_BN >= passed_BN[:, -1:] / 2 - ROUNDING).int().argmax(1, keepdim=True)
        )
        return torch.div(median_B[:, 0] - LOWEST_MEDIAN, 12, rounding_mode="floor")


def to_phrases(notes_BN4: Tensor, count_B: Tensor) -> list[Notes]:
    """Converts drawn phrases to notes."""
    rows = zip(notes_BN4.tolist(), count_B.tolist(), strict=True)
    return [
        tuple(Note(on, off - on, int(pitch), int(velocity)) for on, off, pitch, velocity in row[:count])
        for row, count in rows
    ]


class HeldOutPhrases:
    """Phrases of the test splits, which no fresh phrase may equal in any key."""

    def __init__(self, others: Sequence[Notes], width: int, device: torch.device) -> None:
        fitting = [notes for notes in others if len(notes) <= width]
        shape = (len(fitting), width)
        self.interval_ON = torch.zeros(shape, dtype=torch.float64)
        self.times_ON2 = torch.zeros((*shape, 2), dtype=torch.float64)
        for row, notes in enumerate(fitting):
            for n, note in enumerate(notes):
                self.interval_ON[row, n] = note.pitch - notes[0].pitch
                self.times_ON2[row, n, 0] = note.onset - notes[0].onset
                self.times_ON2[row, n, 1] = note.off - notes[0].onset
        self.interval_ON, self.times_ON2 = self.interval_ON.to(device), self.times_ON2.to(device)
        self.count_O = torch.tensor([len(notes) for notes in fitting], device=device)

    def matches(self, notes_BN4: Tensor, count_B: Tensor) -> Tensor:
        """Tells which drawn phrases equal one of them by the rule of `splits.clusters`: bool [B]."""
        if not len(self.count_O):
            return torch.zeros(len(count_B), dtype=torch.bool, device=count_B.device)
        real_BN = torch.arange(notes_BN4.shape[1], device=count_B.device) < count_B[:, None]
        interval_BN = (notes_BN4[..., 2] - notes_BN4[:, :1, 2]) * real_BN
        times_BN2 = (notes_BN4[..., :2] - notes_BN4[:, :1, :1]) * real_BN[..., None]
        same = (count_B[:, None] == self.count_O) & (interval_BN[:, None] == self.interval_ON).all(-1)
        near = ((times_BN2[:, None] - self.times_ON2).abs() <= SAME_S).flatten(2).all(-1)
        return (same & near).any(1)
