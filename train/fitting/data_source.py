"""Where examples come from: rendered clips, or a tone bank. The loop need not know."""

from __future__ import annotations

from typing import Any

import torch

from manifests.dataset.bank import Bank
from train.config import RunConfig
from train.data.bank.source import BankSource
from train.data.batches import parts_of
from train.data.order import check_enough
from train.data.shards import ShardSource
from train.data.source import Source
from train.data.tables import Tables
from train.systems.base import System


def check_source(tables: Tables, config: RunConfig) -> None:
    """InputError, with the arithmetic, where some device would have no blocks or no examples: said before any
    device is started and anything is written."""
    world, pool = config.devices * config.num_nodes, config.data.pool_blocks
    parts_of(config.batch, config.micro_batch, world)
    # Its blocks are looked at in any case: shards that are missing or of another size are found now.
    blocks = len(tables.blocks("train"))
    if isinstance(tables.layout, Bank):
        for shard in tables.layout.shards():
            tables.layout.tones(shard["shard"])
    check_enough(pool if isinstance(tables.layout, Bank) else blocks, pool, world, str(tables.layout.root))


def open_source(tables: Tables, system: System, config: RunConfig, device: torch.device) -> Source[Any]:
    """The train blocks of a dataset or of a bank."""
    if not isinstance(tables.layout, Bank):
        return ShardSource(tables)
    return BankSource(
        tables,
        config.seed,
        config.data.pool_blocks,
        config.data.threads,
        device,
        config.data.fresh if system.any_envelope else 0.0,
        config.data.altered if system.any_envelope else 0.0,
        system.on_device,
    )
