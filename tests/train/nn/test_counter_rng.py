"""The counter-based random numbers: uniform, and equal to known values."""

from __future__ import annotations

import numpy as np
import torch

from manifests.splits.seeds import counter_uniforms
from train.nn.counter_rng import uniforms

CPU = torch.device("cpu")


def test_counter_random_numbers_are_uniform_and_pinned() -> None:
    # The first outputs of SplitMix64 for seed 0 in its authors' reference code.
    first = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert uniforms(0, 1, 3, CPU)[0].tolist() == [(z >> 11) * 2.0**-53 for z in first]
    numbers = uniforms(2**63 + 12345, 500, 400, CPU)
    assert torch.equal(numbers[7:9, :], uniforms(2**63 + 12345, 500, 400, CPU)[7:9])
    share, _ = np.histogram(numbers.numpy(), bins=50, range=(0, 1))
    assert np.abs(share / share.mean() - 1).max() < 0.07
    assert abs(np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1]) < 0.15


def test_the_renderer_draws_the_same_numbers() -> None:
    for key in (0, 7, 2**63 + 12345, -1):
        np.testing.assert_array_equal(counter_uniforms(key, 3, 5), uniforms(key, 3, 5, CPU).numpy())
