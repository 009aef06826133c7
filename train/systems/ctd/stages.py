"""The training schedule: the stage of a run by its progress, so that a short run passes all stages too."""

from __future__ import annotations

from typing import NamedTuple

from train.systems.ctd.config import CTDConfig


class Stage(NamedTuple):
    """What is trained in a stage.

    Attributes:
        autoencoder: whether the autoencoder is trained, or else the diffusion.
        adversarial: of the autoencoder: whether the discriminator takes part.
        trains_encoder: of the autoencoder: whether the encoder is still trained.
        uses_structure: of the diffusion: whether structure is given.
        confusion: of the diffusion: weight of the adversary's error, or None while there is no adversary.
    """

    autoencoder: bool
    adversarial: bool
    trains_encoder: bool
    uses_structure: bool
    confusion: float | None


def stage_at(progress: float, config: CTDConfig) -> Stage:
    """Returns the stage at the share `progress` of a run, 0..1."""
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
