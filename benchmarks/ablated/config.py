"""Which part of the codec is another one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from train.systems.triptych.config import TriptychConfig


class AblatedConfig(TriptychConfig):
    """`model:` of a config whose system is `ablated`: the codec's, and what is put in place of its parts.
    The defaults are the codec itself."""

    decoder: Literal["real", "complex", "residual", "vocos"] = Field(
        "real", description="filters of oscillators; with phases; with a free iSTFT added; that alone"
    )
    content: Literal["notes", "codes", "both"] = Field(
        "notes", description="what tells the decoder of pitch: notes, one VQ of 512 codes at 43 Hz, or both"
    )
    gain: Literal["explicit", "latent"] = Field(
        "explicit", description="the closed form of an envelope's numbers, or what a network makes of six"
    )
    codes: int = Field(512, ge=2, le=65536)
    code_width: int = Field(64, ge=8, le=1024)
