"""Settings of CTD: sizes, weights of the losses and the schedule, with the published values as defaults.

What the paper leaves open is marked "ours".
"""

from __future__ import annotations

from math import prod
from typing import Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

BANDS = 8
"""Bands of the filter bank before the autoencoder."""


class CTDConfig(BaseModel):
    """The section `model:` of a config whose system is `ctd`. The defaults are the published model.

    Unknown fields, values out of range and sizes that do not fit each other are refused by pydantic's
    ValidationError. Fields that were renamed are also read by their old names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(48, ge=2, le=1024, description="channels of the encoder's first level")
    multipliers: tuple[int, ...] = Field(
        (1, 2, 4, 4, 8, 8), min_length=2, max_length=9, description="channels of each level, in multiples"
    )
    strides: tuple[int, ...] = Field((2, 2, 2, 2, 4), min_length=1, max_length=8)
    decoder_scale: float = Field(
        1.5, gt=0.0, le=4.0, description="channels of the decoder over the encoder's"
    )
    latent: int = Field(32, ge=1, le=512, description="channels of the latents")
    discriminator_channels: int = Field(
        32,
        ge=1,
        le=256,
        validation_alias=AliasChoices("discriminator_channels", "judge_channels"),
        description="channels of each spectrogram discriminator; ours",
    )

    condition: int = Field(16, ge=1, le=512, description="size of the timbre vector and of a structure frame")
    timbre_channels: tuple[int, ...] = (128, 256, 256, 512)
    timbre_strides: tuple[int, ...] = (1, 2, 2, 2, 2)
    structure_channels: tuple[int, ...] = (256, 256, 256, 512)
    adversary_channels: int = Field(232, ge=1, le=4096, description="ours: gives the published 0.35 M")
    unet_channels: tuple[int, ...] = Field((256, 512, 512, 1024), min_length=2, max_length=8)
    unet_ratios: tuple[int, ...] = (1, 2, 2, 2)
    unet_heads: int = Field(8, ge=1, le=64, description="ours")
    unet_embedding: int = Field(
        128, ge=4, le=4096, multiple_of=2, description="ours: gives the published 46.4 M"
    )

    crop_seconds: float = Field(1.0, ge=0.05, le=60.0, description="crop of the autoencoder, s; ours")
    autoencoder_batch: int = Field(
        16, ge=1, le=4096, description="examples of a batch that train the autoencoder; ours"
    )
    mel_weight: float = Field(10.0, ge=0.0)
    multiband_weight: float = Field(5.0, ge=0.0)
    range_weight: float = Field(1.0, ge=0.0)
    adversarial_weight: float = Field(5.0, ge=0.0)
    feature_matching_weight: float = Field(
        10.0, ge=0.0, validation_alias=AliasChoices("feature_matching_weight", "matching_weight")
    )

    autoencoder_share: float = Field(
        0.5, ge=0.0, le=1.0, description="share of the run that trains the autoencoder; ours"
    )
    adversarial_from: float = Field(0.2, ge=0.0, le=1.0, description="share of the autoencoder's part")
    encoder_until: float = Field(0.5, ge=0.0, le=1.0, description="share of the autoencoder's part")
    structure_from: float = Field(0.1, ge=0.0, le=1.0, description="share of the diffusion's part")
    confusion_from: float = Field(0.15, ge=0.0, le=1.0, description="share of the diffusion's part")
    confusion_full: float = Field(0.3, ge=0.0, le=1.0, description="share of the diffusion's part")
    confusion_weight: float = Field(0.1, ge=0.0, description="the paper's lambda")
    adversary_every: int = Field(3, ge=2, le=100, description="diffusion steps, one for the adversary")
    structure_dropout: float = Field(0.2, ge=0.0, lt=1.0)
    timbre_dropout: float = Field(
        0.1, ge=0.0, lt=1.0, description="ours: timbre guidance needs the model without timbre"
    )

    sigma_data: float = Field(0.65, gt=0.0)
    sigma_log_mean: float = -1.2
    sigma_log_spread: float = Field(1.2, gt=0.0)
    sigma_lowest: float = Field(0.002, gt=0.0)
    sigma_highest: float = Field(80.0, gt=0.0)
    rho: float = Field(7.0, gt=0.0)
    sampling_steps: int = Field(40, ge=1, le=1000)
    timbre_guidance: float = Field(1.5, ge=0.0, le=20.0, description="guidance weight, 1 for none; ours")
    structure_guidance: float = Field(1.5, ge=0.0, le=20.0, description="guidance weight, 1 for none; ours")

    @property
    def hop(self) -> int:
        """Samples of a latent frame."""
        return BANDS * prod(self.strides)

    @property
    def ratio(self) -> int:
        """Latent frames of one frame at the UNet's deepest level. Latents are padded to multiples of it."""
        return prod(self.unet_ratios)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.multipliers) != len(self.strides) + 1:
            raise ValueError("multipliers: expected one more than strides")
        if len(self.timbre_strides) != len(self.timbre_channels) + 1:
            raise ValueError("timbre_strides: expected one more than timbre_channels")
        if len(self.unet_ratios) != len(self.unet_channels):
            raise ValueError("unet_ratios: expected as many as unet_channels")
        if any(width % self.unet_heads for width in self.unet_channels[-2:]):
            raise ValueError("unet_channels: expected the last two to be multiples of unet_heads")
        if any(stride != 1 and stride % 2 for stride in self.strides):
            raise ValueError("strides: expected even ones")
        if not self.confusion_from <= self.confusion_full:
            raise ValueError("confusion_full: expected confusion_from or later")
        if self.sigma_lowest >= self.sigma_highest:
            raise ValueError("sigma_highest: expected more than sigma_lowest")
        return self
