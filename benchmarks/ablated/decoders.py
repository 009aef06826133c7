"""Decoders beside the codec's own, on its trunk: with phases, with a free-phase residual, plain Vocos.

The free head is that of Vocos (Siuzdak, ICLR 2024): each frame's network output is the log magnitude and the
phase of every bin, and an inverse STFT makes the sound. No oscillator tells it where phases go.

Shapes as in `train.systems.triptych.networks.decoder`; D dimensions of what codes stand for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.ablated.config import AblatedConfig
from train.systems.triptych.networks.decoder import (
    Decoder,
    TransposedProfile,
    position_features,
    transpose_profile,
    without_profile,
)
from train.systems.triptych.networks.excitation import HOP, WINDOW, frame_spectra, overlap_add
from train.systems.triptych.networks.partials import SILENCE_LEVEL, interpolate_levels, midi_to_hz
from train.systems.triptych.networks.timbre import Profile

BINS = WINDOW // 2 + 1
EDGE = WINDOW // 2
"""Samples before and after a piece that are made with it, so that an all-pass finds what it turns in."""
NO_PITCH = 60.0
"""What a decoder is told that must hear the pitch from codes."""
RESIDUAL = 10.0 ** (-40.0 / 20.0)
"""How loud the residual is at first, against the whole."""
FREE_LEVEL = math.log(0.1 * math.sqrt(WINDOW / 4.0))
"""About the log magnitude of a bin in white noise of the tones' RMS, 0.1."""


class Rows(NamedTuple):
    """R notes to be played: in which clip's timbre, at which pitch, from which sample of the tone on.

    `code_RFD` are the codes' vectors at each frame, where content comes as codes; `pitch_R` then still says
    how the profile is moved if the notes are known besides.
    """

    clip_R: Tensor
    pitch_R: Tensor
    start_R: Tensor
    code_RFD: Tensor | None = None


def frames_of(samples: int) -> int:
    """Frames that a piece of so many samples is made of."""
    return math.ceil((samples + 2 * EDGE) / HOP) + 4


def frame_starts(start_R: Tensor, frames: int) -> Tensor:
    """Which sample of its tone each frame of `frames_of` begins the hop of: [R, F]."""
    return start_R[:, None] - EDGE + (torch.arange(frames, device=start_R.device) - 2) * HOP


class RealFilters(Decoder):
    """The codec's own, whose trunk is open: it may be told codes and set `more` numbers in each frame."""

    def __init__(self, config: AblatedConfig, rate: int, more: int = 0) -> None:
        super().__init__(config, rate)
        self.by_notes = config.content != "codes"
        self.told = nn.Linear(config.code_width, config.decoder_width) if config.content != "notes" else None
        self.more = nn.Linear(config.decoder_width, more) if more else None

    def forward(  # type: ignore[override]
        self, profile: Profile, vector_BKD: Tensor, rows: Rows, samples: int
    ) -> Tensor:
        """`samples` of each row's dry tone, [R, samples]."""
        pitch_R = rows.pitch_R if self.by_notes else torch.full_like(rows.pitch_R, NO_PITCH)
        frames = frames_of(samples)
        moved = transpose_profile(profile, rows.clip_R, pitch_R, self.spread.abs() + 0.2)
        if not self.config.profile:
            moved = without_profile(moved)
        first_RF = frame_starts(rows.start_R, frames)
        h_RFC = self.trunk(moved, vector_BKD[rows.clip_R], pitch_R, first_RF / self.rate, rows.code_RFD)
        sound = self.sound(h_RFC, moved, pitch_R, rows.start_R - EDGE, samples + 2 * EDGE)
        return sound[:, EDGE : EDGE + samples]

    def trunk(
        self,
        moved: TransposedProfile,
        vector_RKD: Tensor,
        pitch_R: Tensor,
        time_RF: Tensor,
        code_RFD: Tensor | None,
    ) -> Tensor:
        """What the heads read, [R, F, C]."""
        profile = torch.cat(moved[:4], -1)
        h = self.enter((profile.clamp(min=SILENCE_LEVEL) + 7.0) / 4.0)[:, None] + self.place(
            position_features(pitch_R, moved.distance_R, time_RF)
        )
        if self.told is not None:
            assert code_RFD is not None
            h = h + self.told(code_RFD)
        if self.tokens is not None:
            h = h + self.tokens(h, vector_RKD[:, 1:])
        for block in self.blocks:
            h = block(h, vector_RKD[:, 0])
        return F.gelu(h)

    def sound(
        self, h_RFC: Tensor, moved: TransposedProfile, pitch_R: Tensor, start_R: Tensor, samples: int
    ) -> Tensor:
        """Oscillators through the filters that the trunk sets."""
        noise_seed_R = torch.arange(len(pitch_R), device=pitch_R.device)
        return self._synthesise(
            *self.output_levels(h_RFC, moved, pitch_R), pitch_R, start_R, noise_seed_R, samples
        )


class ComplexFilters(RealFilters):
    """Filters with phases: an all-pass in series with the real ones, an angle for each harmonic and frame."""

    def __init__(self, config: AblatedConfig, rate: int) -> None:
        super().__init__(config, rate, more=config.harmonics)
        assert self.more is not None
        nn.init.zeros_(self.more.weight)
        nn.init.zeros_(self.more.bias)

    def sound(
        self, h_RFC: Tensor, moved: TransposedProfile, pitch_R: Tensor, start_R: Tensor, samples: int
    ) -> Tensor:
        assert self.more is not None
        plain = super().sound(h_RFC, moved, pitch_R, start_R, samples)
        spectra_RFC = frame_spectra(F.pad(plain, (WINDOW, WINDOW)))
        # Padded by a window, they stand where the trunk's frames do; the last may have none.
        angle_RFK = F.pad(self.more(h_RFC), (0, 0, 0, 1))[:, : spectra_RFC.shape[1]]
        bins = torch.arange(BINS, device=pitch_R.device) * (self.rate / WINDOW)
        angle = interpolate_levels(angle_RFK, bins / midi_to_hz(pitch_R)[:, None] - 1.0)
        turned = overlap_add(spectra_RFC * torch.polar(torch.ones_like(angle), angle))
        return turned[:, WINDOW : WINDOW + samples]


class Free(RealFilters):
    """A free head beside the trunk's own ones."""

    def __init__(self, config: AblatedConfig, rate: int) -> None:
        super().__init__(config, rate, more=2 * BINS)

    def free(self, h_RFC: Tensor, samples: int) -> Tensor:
        """The sound of magnitudes and phases that the trunk sets for every bin.

        Phases count from the middle of a frame: from its first sample, where the window is nothing, an
        untrained head would be silent, and would be long in getting away from that.
        """
        assert self.more is not None
        log_RFC, angle_RFC = self.more(h_RFC).chunk(2, dim=-1)
        magnitude = (log_RFC + FREE_LEVEL).clamp(SILENCE_LEVEL, 5.0).exp()
        angle_RFC = angle_RFC + math.pi * torch.arange(BINS, device=h_RFC.device)
        return overlap_add(torch.polar(magnitude, angle_RFC))[:, 2 * HOP + WINDOW // 2 :][:, :samples]


class Residual(Free):
    """The codec's sound and a free-phase one, which starts at -40 dB."""

    def sound(
        self, h_RFC: Tensor, moved: TransposedProfile, pitch_R: Tensor, start_R: Tensor, samples: int
    ) -> Tensor:
        own = super().sound(h_RFC, moved, pitch_R, start_R, samples)
        return own + RESIDUAL * self.free(h_RFC, samples)


class Vocos(Free):
    """The free head alone."""

    def sound(
        self, h_RFC: Tensor, moved: TransposedProfile, pitch_R: Tensor, start_R: Tensor, samples: int
    ) -> Tensor:
        return self.free(h_RFC, samples)


DECODERS = {"real": RealFilters, "complex": ComplexFilters, "residual": Residual, "vocos": Vocos}
