"""Opens a run's source of examples: the clips of a rendered dataset, or a tone bank."""

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
    """Checks a dataset or bank before any device is started and any file is written.

    Raises InputError if a shard is missing or has another size, or if there are fewer blocks than devices.
    Raises it also if a step's examples cannot be divided evenly between the devices.
    """
    world, pool = config.devices * config.num_nodes, config.data.pool_blocks
    parts_of(config.batch, config.micro_batch, world)
    blocks = len(tables.blocks("train"))
    if isinstance(tables.layout, Bank):
        for shard in tables.layout.shards():
            tables.layout.tones(shard["shard"])
    check_enough(pool if isinstance(tables.layout, Bank) else blocks, pool, world, str(tables.layout.root))


def open_source(tables: Tables, system: System, config: RunConfig, device: torch.device) -> Source[Any]:
    """Opens the train blocks of a dataset, or a bank that composes blocks on `device`."""
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
