"""The sizes of the codec and the weights of its losses."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TriptychConfig(BaseModel):
    """`model:` of a config whose system is `triptych`. Every field has a range; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder_width: int = Field(128, ge=16, le=2048)
    encoder_blocks: int = Field(3, ge=1, le=32)
    envelope_width: int = Field(48, ge=16, le=1024)
    timbre_width: int = Field(128, ge=16, le=2048)
    timbre_dims: int = Field(32, ge=8, le=1024, description="numbers of a timbre's vector, each -1, 0 or 1")
    timbre_tokens: int = Field(
        0, ge=0, le=64, description="vectors that the decoder attends to, beside the one"
    )
    profile: bool = Field(True, description="whether the decoder starts from what was measured")
    decoder_width: int = Field(192, ge=16, le=2048)
    decoder_blocks: int = Field(3, ge=1, le=32)
    harmonics: int = Field(96, ge=8, le=512, description="multiples of f0 whose level the decoder sets")
    halves: int = Field(32, ge=0, le=256, description="odd multiples of f0/2, likewise")
    noise_bands: int = Field(48, ge=4, le=256)

    notes_a_target: int = Field(2, ge=1, le=16, description="notes of each target clip that are decoded")
    note_seconds: float = Field(0.5, ge=0.1, le=10.0, description="longest piece of a note decoded")
    jitter_ms: float = Field(
        3.0, ge=0.0, le=50.0, description="spread of the notes the heads are taught with"
    )

    equaliser_db: float = Field(
        0.0, ge=0.0, le=24.0, description="spread of the random equaliser on inputs and targets in training"
    )
    rooms: float = Field(
        0.0, ge=0.0, le=1.0, description="share of clips whose notes are learned from a reverberant sound"
    )

    spectral_weight: float = Field(1.0, ge=0.0)
    mel_weight: float = Field(1.0, ge=0.0)
    note_weight: float = Field(1.0, ge=0.0)
    envelope_weight: float = Field(1.0, ge=0.0)
    timbre_weight: float = Field(0.1, ge=0.0)
    likeness_weight: float = Field(1.0, ge=0.0)
    adversarial_weight: float = Field(0.02, ge=0.0)
    matching_weight: float = Field(0.1, ge=0.0)
    adversarial_from: float = Field(0.7, ge=0.0, le=1.0, description="share of the steps without a GAN")
