"""Settings of the codec: sizes of its networks, augmentation, and weights of its losses."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class TriptychConfig(BaseModel):
    """The section `model:` of a config whose system is `triptych`.

    Unknown fields and values out of range are refused by pydantic's ValidationError. Fields that were renamed
    are also read by their old names, so that older configs and checkpoints load.

    Example::

        TriptychConfig(encoder_width=96, encoder_blocks=2, decoder_width=128, decoder_blocks=2)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder_width: int = Field(128, ge=16, le=2048, description="channels of the note encoder")
    encoder_blocks: int = Field(3, ge=1, le=32, description="ConvNeXt blocks of the note encoder")
    envelope_width: int = Field(48, ge=16, le=1024, description="channels of the envelope head")
    timbre_width: int = Field(128, ge=16, le=2048, description="channels of the timbre encoder")
    timbre_dims: int = Field(32, ge=8, le=1024, description="numbers of a timbre vector, each -1, 0 or 1")
    timbre_tokens: int = Field(
        0, ge=0, le=64, description="further timbre vectors, which the decoder attends to"
    )
    profile: bool = Field(True, description="whether the decoder starts from the measured profile")
    decoder_width: int = Field(192, ge=16, le=2048, description="channels of the decoder")
    decoder_blocks: int = Field(3, ge=1, le=32, description="ConvNeXt blocks of the decoder")
    harmonics: int = Field(96, ge=8, le=512, description="multiples of f0 with a level of their own")
    subharmonics: int = Field(
        32,
        ge=0,
        le=256,
        validation_alias=AliasChoices("subharmonics", "halves"),
        description="odd multiples of f0/2 with a level of their own",
    )
    noise_bands: int = Field(48, ge=4, le=256, description="bands of the noise filter")

    notes_per_target: int = Field(
        2,
        ge=1,
        le=16,
        validation_alias=AliasChoices("notes_per_target", "notes_a_target"),
        description="notes of each target clip that are decoded in training",
    )
    note_seconds: float = Field(0.5, ge=0.1, le=10.0, description="longest excerpt of a note decoded, s")
    jitter_ms: float = Field(
        3.0, ge=0.0, le=50.0, description="largest random shift of the note times that heads are trained with"
    )

    equaliser_db: float = Field(
        0.0, ge=0.0, le=24.0, description="largest gain of the random equaliser on inputs and targets, dB"
    )
    reverb_probability: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        validation_alias=AliasChoices("reverb_probability", "rooms"),
        description="share of clips that the note encoder is trained on with reverberation",
    )
    corruption_probability: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="share of clips that the note encoder is trained on with clicks, hum, rumble or echo",
    )

    spectral_weight: float = Field(1.0, ge=0.0)
    mel_weight: float = Field(1.0, ge=0.0)
    note_weight: float = Field(1.0, ge=0.0)
    envelope_weight: float = Field(1.0, ge=0.0)
    timbre_weight: float = Field(0.1, ge=0.0, description="of the timbre classifier")
    octave_weight: float = Field(0.1, ge=0.0, description="of the octave classifier")
    register_prior: Literal["tables", "stated"] = Field(
        "tables",
        description="registers by which octaves are chosen: those of the dataset's phrases, or usual ones",
    )
    transposition_weight: float = Field(
        1.0, ge=0.0, description="of the predicted changes of levels from pitch to pitch"
    )
    consistency_weight: float = Field(
        1.0, ge=0.0, validation_alias=AliasChoices("consistency_weight", "likeness_weight")
    )
    adversarial_weight: float = Field(0.02, ge=0.0)
    feature_matching_weight: float = Field(
        0.1, ge=0.0, validation_alias=AliasChoices("feature_matching_weight", "matching_weight")
    )
    adversarial_from: float = Field(
        0.7, ge=0.0, le=1.0, description="share of the training after which the discriminator takes part"
    )
