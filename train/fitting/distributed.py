"""What the devices of a run tell each other. With one device all of this is nothing.

A turn's player is no single module that DDP could wrap, so gradients are averaged here: all of a player's as
one vector, in one all-reduce, from equal weights on every rank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn

T = TypeVar("T")


def everyone(fabric: Fabric, value: T) -> list[T]:
    """What each rank says, by rank."""
    if fabric.world_size == 1:
        return [value]
    told: list[T | None] = [None] * fabric.world_size
    torch.distributed.all_gather_object(told, value)
    return told  # type: ignore[return-value]


def summed(
    fabric: Fabric, gradients: Sequence[Tensor | None], parameters: Sequence[nn.Parameter]
) -> list[Tensor | None]:
    """Each parameter's gradient, summed over the ranks; None where no rank has one."""
    if fabric.world_size == 1:
        return list(gradients)
    there = torch.tensor([float(g is not None) for g in gradients], device=fabric.device)
    filled = [
        torch.zeros_like(p) if g is None else g.to(p.dtype)
        for g, p in zip(gradients, parameters, strict=True)
    ]
    flat = torch.cat([*(g.reshape(-1) for g in filled), there])
    torch.distributed.all_reduce(flat)
    sizes = [p.numel() for p in parameters]
    *pieces, anywhere = torch.split(flat, [*sizes, len(there)])
    return [
        piece.view_as(parameter) if some else None
        for piece, parameter, some in zip(pieces, parameters, anywhere.tolist(), strict=True)
    ]


def share_buffers(fabric: Fabric, module: nn.Module) -> None:
    """Running statistics and the like: everyone takes the first rank's, as DDP does."""
    if fabric.world_size == 1:
        return
    for buffer in module.buffers():
        torch.distributed.broadcast(buffer, src=0)


def leave(fabric: Fabric) -> None:
    """Waits for everyone, then ends what `fabric.launch` began."""
    if fabric.world_size == 1:
        return
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def in_turn(fabric: Fabric, do: Callable[[], T]) -> T:
    """Has the first rank do something first, so that the others find in the run folder what it made."""
    if fabric.world_size == 1:
        return do()
    if not fabric.is_global_zero:
        torch.distributed.barrier()
    done = do()
    if fabric.is_global_zero:
        torch.distributed.barrier()
    return done
