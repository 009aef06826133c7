"""Content: one code of a codebook for every frame (van den Oord et al., NeurIPS 2017)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Quantised(NamedTuple):
    """What came of it: codes as frames [B, C, L] (gradients pass straight through) and numbers [B, L]."""

    frames: Tensor
    codes: Tensor
    codebook: Tensor
    commitment: Tensor


class Quantiser(nn.Module):
    """The nearest code by Euclidean distance; `codebook` moves codes to frames, `commitment` the reverse.

    Codes start with the unit variance of the frames: near 0, as is usual, most of them are never the nearest
    one (16 clips of 8 frames each ended with 9 codes in use, and with 41 so).
    """

    def __init__(self, codes: int, channels: int) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(codes, channels))

    def nearest(self, rows_NC: Tensor) -> Tensor:
        """The number of the code that is nearest to each row, [N]. |row|^2 is the same for every code."""
        distance = self.codes.square().sum(1) - 2.0 * rows_NC @ self.codes.T
        return distance.argmin(-1)

    def forward(self, frames_BCL: Tensor) -> Quantised:
        # Distances decide which code it is: never in half precision.
        with torch.autocast(frames_BCL.device.type, enabled=False):
            frames = frames_BCL.float().transpose(1, 2)
            index = self.nearest(frames.detach().flatten(0, 1)).view(frames.shape[:2])
            found = self.codes[index]
            codebook = F.mse_loss(found, frames.detach())
            commitment = F.mse_loss(frames, found.detach())
            passed = frames + (found - frames).detach()
            return Quantised(passed.transpose(1, 2), index, codebook, commitment)
