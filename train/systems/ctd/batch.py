"""The batch that CTD is trained on.

Shape suffixes: B examples, A examples of the autoencoder, T samples, D latent channels, F latent frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """A batch of B examples.

    Attributes:
        target_BT: target clips, int16.
        start_A: first sample of the autoencoder's crop, int64, for the first A clips.
        partner_BT: clips of the same timbre and envelope, int16; None if latents are given.
        latents_BDF: latents of the targets, float32; None before there are any.
        partner_BDF: latents of the partners, likewise.
        seed: seed of all noise.
    """

    target_BT: Tensor
    start_A: Tensor
    partner_BT: Tensor | None
    latents_BDF: Tensor | None
    partner_BDF: Tensor | None
    seed: int

    def to(self, device: torch.device) -> Batch:
        """Copies the batch to a device."""
        return Batch._make(part.to(device) if isinstance(part, Tensor) else part for part in self)
