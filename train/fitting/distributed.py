"""Collective operations between the devices of a run. On one device each of them does nothing.

DDP cannot wrap a parameter group, which is no module of its own. Gradients are therefore summed here: one
all-reduce for each group, over all its gradients as one vector. All ranks start from equal weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn

T = TypeVar("T")


def all_gather(fabric: Fabric, value: T) -> list[T]:
    """Gathers a picklable value from each rank, in the order of ranks.

    Example: `steps = all_gather(fabric, run.step)` returns the step of each rank on all of them.
    """
    if fabric.world_size == 1:
        return [value]
    gathered: list[T | None] = [None] * fabric.world_size
    torch.distributed.all_gather_object(gathered, value)
    return gathered  # type: ignore[return-value]


def all_reduce_gradients(
    fabric: Fabric, gradients: Sequence[Tensor | None], parameters: Sequence[nn.Parameter]
) -> list[Tensor | None]:
    """Sums each parameter's gradient over the ranks, in the parameter's dtype.

    A rank without a gradient counts as zeros. The sum is None where no rank has one.
    """
    if fabric.world_size == 1:
        return list(gradients)
    present = torch.tensor([float(g is not None) for g in gradients], device=fabric.device)
    filled = [
        torch.zeros_like(p) if g is None else g.to(p.dtype)
        for g, p in zip(gradients, parameters, strict=True)
    ]
    flat = torch.cat([*(g.reshape(-1) for g in filled), present])
    torch.distributed.all_reduce(flat)
    sizes = [p.numel() for p in parameters]
    *sums, ranks_with_gradient = torch.split(flat, [*sizes, len(present)])
    return [
        total.view_as(parameter) if ranks else None
        for total, parameter, ranks in zip(sums, parameters, ranks_with_gradient.tolist(), strict=True)
    ]


def broadcast_buffers(fabric: Fabric, module: nn.Module) -> None:
    """Copies the first rank's buffers, such as running statistics, to all ranks, as DDP does."""
    if fabric.world_size == 1:
        return
    for buffer in module.buffers():
        torch.distributed.broadcast(buffer, src=0)


def shutdown(fabric: Fabric) -> None:
    """Waits for all ranks, then destroys the process group that `fabric.launch` created."""
    if fabric.world_size == 1:
        return
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
