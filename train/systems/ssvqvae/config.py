"""The sizes of SS-VQ-VAE and the weights of its losses, as they were published."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SSVQVAEConfig(BaseModel):
    """`model:` of a config whose system is `ss-vq-vae`. The defaults are the published model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(1024, ge=4, le=8192, description="channels of every layer, and of a code")
    codes: int = Field(2048, ge=2, le=65536)
    codebook_weight: float = Field(1.0, ge=0.0)
    commitment_weight: float = Field(0.5, ge=0.0)
    griffin_lim_steps: int = Field(60, ge=1, le=1000)
