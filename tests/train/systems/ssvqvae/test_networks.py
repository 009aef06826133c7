"""The networks' output activation keeps a gradient where it is zero."""

from __future__ import annotations

import torch

from train.systems.ssvqvae.networks import straight_through_relu


def test_a_zero_magnitude_keeps_a_gradient() -> None:
    """A zero magnitude where the target is silent stays zero."""
    before = torch.tensor([-1.0, -1.0, 2.0], requires_grad=True)
    after = straight_through_relu(before)
    assert after.tolist() == [0.0, 0.0, 2.0]
    loss = (after - torch.tensor([1.0, 0.0, 1.0])).square().sum()
    (gradient,) = torch.autograd.grad(loss, before)
    assert gradient.tolist() == [-2.0, 0.0, 2.0]
