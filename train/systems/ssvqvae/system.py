"""SS-VQ-VAE as a system: its examples, its losses, and how it converts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from manifests.synthesis.compose import FULL_SCALE
from train.audio.resampling import resample
from train.data.examples import Example, ExampleKind
from train.systems.base import Audio, Conversion, ConversionRequest, Format, OptimizerTurn, System
from train.systems.peak import at_peak, level_of
from train.systems.ssvqvae.config import SSVQVAEConfig
from train.systems.ssvqvae.networks import ContentEncoder, Decoder, StyleEncoder
from train.systems.ssvqvae.quantiser import Quantiser
from train.systems.ssvqvae.spectra import HOP, RATE, STRIDE, griffin_lim, log_magnitudes


class Batch(NamedTuple):
    """B clips (content and target in one) and their style partners, int16 [B, T] at the dataset's rate."""

    content_BT: Tensor
    style_BT: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(part.to(device) for part in self))


class SSVQVAE(System):
    """Content as one code every 125 ms, all else as one vector; log magnitudes at 16 kHz."""

    name = "ss-vq-vae"
    by_number = False
    kinds: ClassVar[Sequence[ExampleKind]] = ("both",)

    def __init__(self, config: SSVQVAEConfig, format: Format) -> None:
        super().__init__()
        self.config = config
        self.format = format
        self.content = ContentEncoder(config.width)
        self.quantiser = Quantiser(config.codes, config.width)
        self.style = StyleEncoder(config.width)
        self.decoder = Decoder(config.width)

    @property
    def own_rate(self) -> int:
        return RATE

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"codec": list(self.parameters())}

    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> Batch:
        """The clip itself is content and target; its style partner shares timbre and envelope, and has
        another phrase, so that the style vector cannot tell the notes."""
        return Batch(
            torch.from_numpy(np.stack([example.target.audio for example in examples])),
            torch.from_numpy(np.stack([example.envelope.audio for example in examples])),
        )

    def training_losses(self, batch: Batch, progress: float) -> Iterator[OptimizerTurn]:
        low, beside = (resample(part / FULL_SCALE, self.format.rate, RATE) for part in batch)
        target = self._whole(low)
        quantised = self.quantiser(self.content(target))
        estimate = self.decoder(quantised.frames, self.style(log_magnitudes(beside)))
        yield OptimizerTurn(
            "codec",
            {
                "frames": F.mse_loss(estimate.float(), target),
                "codebook": self.config.codebook_weight * quantised.codebook,
                "commitment": self.config.commitment_weight * quantised.commitment,
            },
        )

    def convert(self, request: ConversionRequest) -> Conversion:
        """Its style is one vector: whichever of timbre and envelope is taken, both come."""
        self.refuse_numbers(request)
        low = self._low(request.source)
        donor = low if request.reference is None or not request.take else self._low(request.reference)
        codes = self.quantiser(self.content(self._whole(low))).frames
        made = self.decoder(codes, self.style(log_magnitudes(donor)))
        return Conversion(self._audible(made, low.shape[1], len(request.source)), None, None, None)

    def oracle(self, audio: Audio) -> Audio:
        """A recording's exact magnitudes through the same inversion, at its level: what its vocoder alone
        loses."""
        low = self._low(audio)
        return self._audible(self._whole(low), low.shape[1], len(audio)) * level_of(audio)

    def _low(self, audio: Audio) -> Tensor:
        """A recording at -1 dBFS and 16 kHz, [1, samples]."""
        return resample(at_peak(audio).to(self.quantiser.codes.device), self.format.rate, RATE)

    def _whole(self, low_BT: Tensor) -> Tensor:
        """Log magnitudes, silence behind clips up to whole codes, the last frame at or beyond their end."""
        frames = -(-low_BT.shape[1] // HOP) + 1
        frames += -frames % STRIDE
        return log_magnitudes(F.pad(low_BT, (0, (frames - 1) * HOP - low_BT.shape[1])))

    def _audible(self, log_1CF: Tensor, samples: int, wanted: int) -> Audio:
        low = griffin_lim(log_1CF, samples, self.config.griffin_lim_steps)
        high = resample(low, RATE, self.format.rate)[0, :wanted]
        return np.asarray(F.pad(high, (0, wanted - len(high))).cpu().numpy(), dtype=np.float32)
