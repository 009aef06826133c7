"""The systems that can be trained, by name."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel

from train.systems.base import Format, System
from train.systems.ctd.config import CTDConfig
from train.systems.ctd.system import CTD
from train.systems.ssvqvae.config import SSVQVAEConfig
from train.systems.ssvqvae.system import SSVQVAE
from train.systems.synthcloner.config import SynthClonerConfig
from train.systems.synthcloner.system import SynthCloner
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.system import Triptych

SYSTEMS: dict[str, tuple[type[BaseModel], Any]] = {
    Triptych.name: (TriptychConfig, Triptych),
    SynthCloner.name: (SynthClonerConfig, SynthCloner),
    CTD.name: (CTDConfig, CTD),
    SSVQVAE.name: (SSVQVAEConfig, SSVQVAE),
}
"""For each system the class of its `model:` section, and its own."""


def build(name: str, config: BaseModel, format: Format, seed: int = 0) -> System:
    """A system with fresh weights, drawn from `seed` alone: the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        system: System = SYSTEMS[name][1](config, format)
    return system
