"""Resampling: batches of tensors equal files."""

from __future__ import annotations

import numpy as np
import torch

from train.audio import files as audio
from train.audio.resampling import resample


def test_batches_are_resampled_as_files_are() -> None:
    noise = np.random.default_rng(1).standard_normal((2, 30_011)).astype(np.float32)
    for rate, wanted in ((44_100, 16_000), (16_000, 44_100), (48_000, 44_100), (16_000, 16_000)):
        ours = resample(torch.from_numpy(noise), rate, wanted).numpy()
        theirs = np.stack([audio.resample(row, rate, wanted) for row in noise])
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
