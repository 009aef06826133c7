"""The model config of ablation variants: which part of the codec is replaced."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from train.systems.triptych.config import TriptychConfig


class AblatedConfig(TriptychConfig):
    """`model:` of a config with `system: ablated`: the codec's fields and the choice of its parts.

    With the defaults all parts are the codec's own.
    """

    decoder: Literal["real", "complex", "residual", "vocos"] = Field(
        "real",
        description="oscillators with real or complex filters, or with an iSTFT residual; or Vocos",
    )
    content: Literal["notes", "codes", "both"] = Field(
        "notes", description="content that the decoder gets: notes, codes of a vector quantiser, or both"
    )
    gain: Literal["explicit", "latent"] = Field(
        "explicit", description="gain from the envelope in closed form, or from a latent of six by a network"
    )
    codes: int = Field(512, ge=2, le=65536, description="size of the codebook")
    code_width: int = Field(64, ge=8, le=1024, description="dimensions of a code's vector")
