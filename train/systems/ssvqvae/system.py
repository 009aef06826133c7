"""SS-VQ-VAE as a system: batches, losses and conversion.

Shape suffixes: B clips, T samples, C bins, F frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from manifests.synthesis.compose import FULL_SCALE
from train.audio.batch_resampling import resample_batch
from train.data.examples import Example, ExampleKind
from train.systems.base import Audio, Conversion, ConversionRequest, Format, OptimizerTurn, System
from train.systems.peak import normalise_peak, peak_ratio
from train.systems.ssvqvae.config import SSVQVAEConfig
from train.systems.ssvqvae.networks import ContentEncoder, Decoder, StyleEncoder
from train.systems.ssvqvae.quantiser import Quantiser
from train.systems.ssvqvae.spectra import HOP, RATE, STRIDE, griffin_lim, log_magnitudes


class Batch(NamedTuple):
    """A batch of clips at the dataset's rate, int16.

    Attributes:
        content_BT: clips that are both content and target.
        style_BT: partners that give the style.
    """

    content_BT: Tensor
    style_BT: Tensor

    def to(self, device: torch.device) -> Batch:
        """Copies the batch to a device."""
        return Batch(*(part.to(device) for part in self))


class SSVQVAE(System):
    """Content as one code every 125 ms, style as one vector; log magnitudes at 16 kHz.

    Example::

        system = build("ss-vq-vae", SSVQVAEConfig(), Format(44_100, 3.0, ()))
    """

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
        """The sample rate in Hz at which it works: 16 kHz."""
        return RATE

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"codec": list(self.parameters())}

    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> Batch:
        """Uses each target as content, and a partner of the same timbre and envelope as style.

        The partner has another phrase, so that the style vector cannot hold the notes.
        """
        return Batch(
            torch.from_numpy(np.stack([example.target.audio for example in examples])),
            torch.from_numpy(np.stack([example.envelope.audio for example in examples])),
        )

    def training_losses(self, batch: Batch, progress: float) -> Iterator[OptimizerTurn]:
        content, style = (resample_batch(part / FULL_SCALE, self.format.rate, RATE) for part in batch)
        target = self._padded_magnitudes(content)
        quantised = self.quantiser(self.content(target))
        estimate = self.decoder(quantised.frames, self.style(log_magnitudes(style)))
        yield OptimizerTurn(
            "codec",
            {
                "frames": F.mse_loss(estimate.float(), target),
                "codebook": self.config.codebook_weight * quantised.codebook,
                "commitment": self.config.commitment_weight * quantised.commitment,
            },
        )

    def convert(self, request: ConversionRequest) -> Conversion:
        """Converts with the reference's style vector: timbre and envelope are taken together, or neither.

        Raises InputError if the request gives numbers.
        """
        self.refuse_numbers(request)
        source = style_audio = self._resampled(request.source)
        if request.reference is not None and request.take:
            style_audio = self._resampled(request.reference)
        codes = self.quantiser(self.content(self._padded_magnitudes(source))).frames
        log_magnitude = self.decoder(codes, self.style(log_magnitudes(style_audio)))
        return Conversion(self._invert(log_magnitude, source.shape[1], len(request.source)), None, None, None)

    def oracle(self, audio: Audio) -> Audio:
        """Inverts a recording's exact magnitudes, at its level: a bound set by the phase reconstruction."""
        low = self._resampled(audio)
        return self._invert(self._padded_magnitudes(low), low.shape[1], len(audio)) * peak_ratio(audio)

    def _resampled(self, audio: Audio) -> Tensor:
        """Scales a recording to -1 dBFS and resamples it to 16 kHz, float32 [1, samples]."""
        return resample_batch(normalise_peak(audio).to(self.quantiser.codes.device), self.format.rate, RATE)

    def _padded_magnitudes(self, low_BT: Tensor) -> Tensor:
        """Computes log magnitudes of clips padded to whole codes; the last frame is not before their end."""
        frames = -(-low_BT.shape[1] // HOP) + 1
        frames += -frames % STRIDE
        return log_magnitudes(F.pad(low_BT, (0, (frames - 1) * HOP - low_BT.shape[1])))

    def _invert(self, log_1CF: Tensor, samples: int, wanted: int) -> Audio:
        """Inverts log magnitudes to audio at the dataset's rate, float32 [wanted]."""
        low = griffin_lim(log_1CF, samples, self.config.griffin_lim_steps)
        high = resample_batch(low, RATE, self.format.rate)[0, :wanted]
        return np.asarray(F.pad(high, (0, wanted - len(high))).cpu().numpy(), dtype=np.float32)
