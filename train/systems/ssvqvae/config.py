"""Settings of SS-VQ-VAE, with the published values as defaults."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SSVQVAEConfig(BaseModel):
    """The section `model:` of a config whose system is `ss-vq-vae`. The defaults are the published model.

    Unknown fields and values out of range are refused by pydantic's ValidationError.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(1024, ge=4, le=8192, description="channels of every layer, and of a code")
    codes: int = Field(2048, ge=2, le=65536)
    codebook_weight: float = Field(1.0, ge=0.0)
    commitment_weight: float = Field(0.5, ge=0.0)
    griffin_lim_steps: int = Field(60, ge=1, le=1000)
