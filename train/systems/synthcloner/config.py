"""Settings of SynthCloner, with the published values as defaults."""

from __future__ import annotations

from math import prod
from typing import Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator


class SynthClonerConfig(BaseModel):
    """The section `model:` of a config whose system is `synthcloner`. The defaults are the published model.

    Unknown fields, values out of range and sizes that do not fit each other are refused by pydantic's
    ValidationError. Fields that were renamed are also read by their old names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latent: int = Field(256, ge=8, le=4096)
    encoder_channels: int = Field(
        64, ge=2, le=1024, description="channels before the first stride; each doubles them"
    )
    decoder_channels: int = Field(
        1536, ge=16, le=8192, description="channels before the first stride; each halves them"
    )
    strides: tuple[int, ...] = Field((2, 4, 8, 8), min_length=1, max_length=8)
    lstm_layers: int = Field(2, ge=0, le=8)
    codebooks: int = Field(9, ge=1, le=64)
    codes: int = Field(1024, ge=2, le=65536)
    code_dims: int = Field(8, ge=1, le=256)
    envelope_hidden: int = Field(
        32, ge=1, le=1024, description="numbers a frame in the envelope's bottleneck, halved"
    )
    timbre_layers: int = Field(4, ge=1, le=32)
    timbre_heads: int = Field(4, ge=1, le=64)
    timbre_hidden: int = Field(1024, ge=8, le=8192)
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    envelopes: int = Field(
        120, ge=1, description="classes of the envelope head: more than the highest envelope id"
    )
    discriminator_channels: int = Field(
        32,
        ge=1,
        le=256,
        validation_alias=AliasChoices("discriminator_channels", "judge_channels"),
        description="channels of the period discriminators' first layer",
    )
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    discriminator_windows: tuple[int, ...] = Field(
        (2048, 1024, 512),
        validation_alias=AliasChoices("discriminator_windows", "judge_windows"),
        description="STFT windows of the spectrogram discriminators, samples",
    )

    crop_seconds: float = Field(1.0, ge=0.1, le=60.0)
    mask_probability: float = Field(0.5, ge=0.0, le=1.0)
    mask_after_ms: float = Field(58.0, ge=0.0)
    mask_fade_ms: float = Field(5.0, gt=0.0, description="fade of the mask, which prevents clicks")

    mel_weight: float = Field(15.0, ge=0.0)
    feature_matching_weight: float = Field(
        2.0, ge=0.0, validation_alias=AliasChoices("feature_matching_weight", "matching_weight")
    )
    adversarial_weight: float = Field(1.0, ge=0.0)
    adversarial_from: float = Field(
        0.005, ge=0.0, le=1.0, description="share of the training after which the discriminator takes part"
    )
    commitment_weight: float = Field(0.25, ge=0.0)
    codebook_weight: float = Field(1.0, ge=0.0)
    head_weight: float = Field(
        5.0, ge=0.0, description="weight of each of the pitch, timbre and envelope losses"
    )

    @property
    def hop(self) -> int:
        """Samples of a latent frame."""
        return prod(self.strides)

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.decoder_channels % 2 ** len(self.strides):
            raise ValueError(f"decoder_channels: expected a multiple of {2 ** len(self.strides)}")
        if self.latent % self.timbre_heads or self.latent % 2:
            raise ValueError("latent: expected an even multiple of timbre_heads")
        return self
