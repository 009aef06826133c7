"""The schedule: which stage a run is in, from the share of it that is done. A short run has all stages."""

from __future__ import annotations

from typing import NamedTuple

from train.systems.ctd.config import CTDConfig


class Stage(NamedTuple):
    """What is trained now. `autoencoder` or else the diffusion; the other fields belong to one of them.

    `judged`: the discriminator takes part; `encoding`: the encoder still learns. `structured`: structure is
    given; `confusion`: the weight of the adversary's error, None while there is no adversary.
    """

    autoencoder: bool
    judged: bool
    encoding: bool
    structured: bool
    confusion: float | None


def stage_at(progress: float, config: CTDConfig) -> Stage:
    """The stage after the share `progress` of a run, 0..1."""
    share = config.autoencoder_share
    if progress < share:
        part = progress / share
        return Stage(True, part >= config.adversarial_from, part < config.encoder_until, False, None)
    part = (progress - share) / (1.0 - share) if share < 1.0 else 1.0
    confusion = None
    if part >= config.confusion_from:
        ramp = config.confusion_full - config.confusion_from
        done = min(1.0, (part - config.confusion_from) / ramp) if ramp else 1.0
        confusion = config.confusion_weight * done
    return Stage(False, False, False, part >= config.structure_from, confusion)
