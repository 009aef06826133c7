"""Where examples come from: rendered clips, or a tone bank. The loop need not know."""

from __future__ import annotations

import torch

from manifests.bank import Bank
from train.bank.loader import BankLoader
from train.config import RunConfig
from train.data.loader import Loader, Place
from train.data.tables import Tables
from train.systems.base import System


def open_loader(
    tables: Tables, system: System, config: RunConfig, place: Place, rank: int, device: torch.device
) -> Loader | BankLoader:
    """The stream of train examples of a dataset or of a bank, for one rank, from `place` on."""
    data = config.data
    if not isinstance(tables.layout, Bank):
        return Loader(
            tables, system.kinds, config.seed, data.pool_blocks, data.threads, place, rank, config.devices
        )
    return BankLoader(
        tables,
        system.kinds,
        config.seed,
        data.pool_blocks,
        data.threads,
        place,
        rank,
        config.devices,
        device,
        data.fresh if system.any_envelope else 0.0,
        system.on_device,
    )
