"""The registry of systems that can be trained, by name."""

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
"""For each system's name, the class of its `model:` section and the class of the system."""


def build(name: str, config: BaseModel, format: Format, seed: int = 0) -> System:
    """Builds a system whose weights are drawn from `seed`; torch's global generator is left unchanged.

    Args:
        name: a key of `SYSTEMS`.
        config: the system's `model:` section.
        format: sample rate, cut fade and train timbres of the dataset.
        seed: seed of the weights.

    Raises KeyError if there is no such system.

    Example::

        system = build("triptych", TriptychConfig(), Format(44_100, 3.0, ("piano", "organ")))
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        system: System = SYSTEMS[name][1](config, format)
    return system
