"""The vector quantiser: nearest codes, gradients and losses."""

from __future__ import annotations

import numpy as np
import torch

from train.systems.ssvqvae.quantiser import Quantiser


def test_codes_are_the_nearest_by_brute_force() -> None:
    generator = torch.Generator().manual_seed(3)
    quantiser = Quantiser(40, 7)
    with torch.no_grad():
        quantiser.codes.copy_(torch.randn(40, 7, generator=generator))
    frames = torch.randn(3, 7, 11, generator=generator)
    with torch.no_grad():
        quantised = quantiser(frames)
    for clip in range(3):
        for place in range(11):
            row = frames[clip, :, place].double()
            distances = [float((row - code.double()).square().sum()) for code in quantiser.codes.detach()]
            assert int(quantised.codes[clip, place]) == int(np.argmin(distances))
            torch.testing.assert_close(
                quantised.frames[clip, :, place], quantiser.codes[int(np.argmin(distances))].detach()
            )


def test_gradients_pass_the_quantiser_and_its_losses_move_one_side_each() -> None:
    quantiser = Quantiser(5, 4)
    frames = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1), requires_grad=True)
    quantised = quantiser(frames)
    (passed,) = torch.autograd.grad((3.0 * quantised.frames).sum(), frames, retain_graph=True)
    torch.testing.assert_close(passed, torch.full_like(frames, 3.0))
    grad = torch.autograd.grad(
        quantised.codebook, [frames, quantiser.codes], retain_graph=True, allow_unused=True
    )
    assert grad[0] is None
    assert grad[1].abs().sum() > 0
    grad = torch.autograd.grad(quantised.commitment, [frames, quantiser.codes], allow_unused=True)
    assert grad[0].abs().sum() > 0
    assert grad[1] is None
