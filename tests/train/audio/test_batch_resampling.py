"""Resampling: batches of tensors equal files."""

from __future__ import annotations

import numpy as np
import torch

from train.audio.batch_resampling import resample_batch
from train.audio.resampling import resample


def test_resampling_of_batches_equals_that_of_files() -> None:
    noise = np.random.default_rng(1).standard_normal((2, 30_011)).astype(np.float32)
    for rate, new_rate in ((44_100, 16_000), (16_000, 44_100), (48_000, 44_100), (16_000, 16_000)):
        actual = resample_batch(torch.from_numpy(noise), rate, new_rate).numpy()
        expected = np.stack([resample(row, rate, new_rate) for row in noise])
        np.testing.assert_allclose(actual, expected, atol=1e-5)
