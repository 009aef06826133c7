"""Alternative decoders on the codec's trunk: complex filters, an iSTFT residual, and Vocos.

The iSTFT head is that of Vocos (Siuzdak, ICLR 2024). It predicts the log magnitude and the phase of every bin
in each frame, and an inverse STFT synthesises the sound. No oscillator gives it phases.

Shapes as in `train.systems.triptych.networks.decoder`: R rows (notes), F frames, C channels or bins, K
harmonics; D dimensions of a vector.
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
MARGIN = WINDOW // 2
"""Samples that are synthesised before and after an excerpt and then dropped:

the reach of an all-pass filter.
"""
NEUTRAL_PITCH = 60.0
"""MIDI pitch of all notes for a decoder that gets its content as codes only."""
RESIDUAL_GAIN = 10.0 ** (-40.0 / 20.0)
"""Gain of the residual, -40 dB."""
INITIAL_LOG_MAGNITUDE = math.log(0.1 * math.sqrt(WINDOW / 4.0))
"""Offset of the predicted log magnitudes: about that of a bin in white noise of RMS 0.1, as tones have."""


class NoteRows(NamedTuple):
    """R notes to decode.

    Attributes:
        clip_R: index of the clip that gives the timbre, int64.
        pitch_R: MIDI pitch; it transposes the profile, unless content is codes only.
        start_R: first sample of the tone to decode, counted from its onset.
        code_RFD: the codes' vectors at each frame, or None if content is notes only.
    """

    clip_R: Tensor
    pitch_R: Tensor
    start_R: Tensor
    code_RFD: Tensor | None = None


def frame_count(samples: int) -> int:
    """Returns the number of frames that synthesise an excerpt of so many samples."""
    return math.ceil((samples + 2 * MARGIN) / HOP) + 4


def frame_starts(start_R: Tensor, frames: int) -> Tensor:
    """Returns the sample of its tone at which each frame's hop begins, [R, F];

    `frames` is `frame_count`'s.
    """
    return start_R[:, None] - MARGIN + (torch.arange(frames, device=start_R.device) - 2) * HOP


class RealFilterDecoder(Decoder):
    """The codec's decoder with two optional parts: an input of codes, and `extra_outputs` outputs a frame."""

    def __init__(self, config: AblatedConfig, rate: int, extra_outputs: int = 0) -> None:
        super().__init__(config, rate)
        self.uses_pitch = config.content != "codes"
        uses_codes = config.content != "notes"
        self.code_input = nn.Linear(config.code_width, config.decoder_width) if uses_codes else None
        self.extra_head = nn.Linear(config.decoder_width, extra_outputs) if extra_outputs else None

    def forward(  # type: ignore[override]
        self, profile: Profile, vector_BKD: Tensor, rows: NoteRows, samples: int
    ) -> Tensor:
        """Decodes `samples` of each row's dry tone: float32 [R, samples]."""
        pitch_R = rows.pitch_R if self.uses_pitch else torch.full_like(rows.pitch_R, NEUTRAL_PITCH)
        frames = frame_count(samples)
        transposed = transpose_profile(profile, rows.clip_R, pitch_R, self.spread.abs() + 0.2)
        if not self.config.profile:
            transposed = without_profile(transposed)
        first_RF = frame_starts(rows.start_R, frames)
        h_RFC = self.trunk(transposed, vector_BKD[rows.clip_R], pitch_R, first_RF / self.rate, rows.code_RFD)
        sound = self.synthesise(h_RFC, transposed, pitch_R, rows.start_R - MARGIN, samples + 2 * MARGIN)
        return sound[:, MARGIN : MARGIN + samples]

    def trunk(
        self,
        transposed: TransposedProfile,
        vector_RKD: Tensor,
        pitch_R: Tensor,
        time_RF: Tensor,
        code_RFD: Tensor | None,
    ) -> Tensor:
        """Computes the activations that all heads read, float32 [R, F, C].

        Times are in seconds from the onset.
        """
        profile = torch.cat(transposed[:4], -1)
        h = self.enter((profile.clamp(min=SILENCE_LEVEL) + 7.0) / 4.0)[:, None] + self.place(
            position_features(pitch_R, transposed.distance_R, time_RF)
        )
        if self.code_input is not None:
            assert code_RFD is not None
            h = h + self.code_input(code_RFD)
        if self.tokens is not None:
            h = h + self.tokens(h, vector_RKD[:, 1:])
        for block in self.blocks:
            h = block(h, vector_RKD[:, 0])
        return F.gelu(h)

    def synthesise(
        self, h_RFC: Tensor, transposed: TransposedProfile, pitch_R: Tensor, start_R: Tensor, samples: int
    ) -> Tensor:
        """Synthesises `samples` from sample `start_R` of each tone with filtered oscillators:

        float32 [R, samples].
        """
        noise_seed_R = torch.arange(len(pitch_R), device=pitch_R.device)
        return self._synthesise(
            *self.output_levels(h_RFC, transposed, pitch_R), pitch_R, start_R, noise_seed_R, samples
        )


class ComplexFilterDecoder(RealFilterDecoder):
    """Real filters in series with an all-pass filter, which has an angle for each harmonic and frame."""

    def __init__(self, config: AblatedConfig, rate: int) -> None:
        super().__init__(config, rate, extra_outputs=config.harmonics)
        assert self.extra_head is not None
        nn.init.zeros_(self.extra_head.weight)
        nn.init.zeros_(self.extra_head.bias)

    def synthesise(
        self, h_RFC: Tensor, transposed: TransposedProfile, pitch_R: Tensor, start_R: Tensor, samples: int
    ) -> Tensor:
        assert self.extra_head is not None
        plain = super().synthesise(h_RFC, transposed, pitch_R, start_R, samples)
        spectra_RFC = frame_spectra(F.pad(plain, (WINDOW, WINDOW)))
        # Padded by a window, the spectra's frames coincide with the trunk's. The last one may have no angle.
        angle_RFK = F.pad(self.extra_head(h_RFC), (0, 0, 0, 1))[:, : spectra_RFC.shape[1]]
        bins = torch.arange(BINS, device=pitch_R.device) * (self.rate / WINDOW)
        angle = interpolate_levels(angle_RFK, bins / midi_to_hz(pitch_R)[:, None] - 1.0)
        turned = overlap_add(spectra_RFC * torch.polar(torch.ones_like(angle), angle))
        return turned[:, WINDOW : WINDOW + samples]


class ISTFTDecoder(RealFilterDecoder):
    """The decoder with an iSTFT head beside its own heads."""

    def __init__(self, config: AblatedConfig, rate: int) -> None:
        super().__init__(config, rate, extra_outputs=2 * BINS)

    def istft(self, h_RFC: Tensor, samples: int) -> Tensor:
        """Synthesises the predicted magnitudes and phases of all bins: float32 [R, samples].

        Phases are relative to the middle of a frame. Relative to its first sample, where the window is 0, an
        untrained head would be silent and slow to learn.
        """
        assert self.extra_head is not None
        log_RFC, angle_RFC = self.extra_head(h_RFC).chunk(2, dim=-1)
        magnitude = (log_RFC + INITIAL_LOG_MAGNITUDE).clamp(SILENCE_LEVEL, 5.0).exp()
        angle_RFC = angle_RFC + math.pi * torch.arange(BINS, device=h_RFC.device)
        return overlap_add(torch.polar(magnitude, angle_RFC))[:, 2 * HOP + WINDOW // 2 :][:, :samples]


class ResidualDecoder(ISTFTDecoder):
    """Adds the output of an iSTFT head, which starts at -40 dB, to the codec's sound."""

    def synthesise(
        self, h_RFC: Tensor, transposed: TransposedProfile, pitch_R: Tensor, start_R: Tensor, samples: int
    ) -> Tensor:
        own = super().synthesise(h_RFC, transposed, pitch_R, start_R, samples)
        return own + RESIDUAL_GAIN * self.istft(h_RFC, samples)


class VocosDecoder(ISTFTDecoder):
    """Synthesises with the iSTFT head alone."""

    def synthesise(
        self, h_RFC: Tensor, transposed: TransposedProfile, pitch_R: Tensor, start_R: Tensor, samples: int
    ) -> Tensor:
        return self.istft(h_RFC, samples)


DECODERS = {
    "real": RealFilterDecoder,
    "complex": ComplexFilterDecoder,
    "residual": ResidualDecoder,
    "vocos": VocosDecoder,
}
