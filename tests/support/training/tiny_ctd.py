"""CTD at its smallest size, and a run through every stage."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from train.config import RunConfig, parse_config
from train.fitting.loop import Callbacks, fit
from train.systems.ctd import latents

SIZES = {
    "channels": 4, "multipliers": [1, 1, 2, 2], "strides": [4, 4, 4], "latent": 4,
    "discriminator_channels": 2,
    "condition": 4, "timbre_channels": [8], "timbre_strides": [1, 2], "structure_channels": [8],
    "adversary_channels": 8, "unet_channels": [8, 16], "unet_ratios": [1, 2], "unet_heads": 2,
    "unet_embedding": 8, "crop_seconds": 0.2, "sampling_steps": 3,
    "confusion_from": 0.3, "confusion_full": 0.6,
}  # fmt: skip

STOPS = (3, 5, 9, "latents", 13, 15, 18, 22)
"""Steps of `tiny` after which a run is killed, one in each stage: plain, judged, frozen encoder, latents
being made (after the first of their files), timbre only, structure, the adversary's ramp, all of it."""


def tiny_config(**changes: object) -> RunConfig:
    """Returns a config of 24 steps: 12 for the autoencoder and 12 for the diffusion."""
    settings = {
        "system": "ctd", "steps": 24, "batch": 2, "save_every": 100, "validation_pairs": 0,
        "data": {"pool_blocks": 1}, "model": SIZES,
    }  # fmt: skip
    return parse_config({**settings, **changes}, "test")


def main(stop: str, data: Path, out: Path) -> None:
    """Trains the tiny CTD, prints its steps and kills itself at one of the STOPS.

    Usage: `python -m tests.support.training.tiny_ctd STOP DATA OUT`.
    """

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if stop == "latents":
        replace = latents.files.replace

        def once(path: Path, data: bytes) -> None:
            replace(path, data)
            if path.suffix == ".safetensors" and "latents" in path.parts:
                die()

        latents.files.replace = once

    def note(step: int, losses: dict[str, float], speed: float) -> None:
        print(step, sorted(losses.items()), flush=True)
        if str(step) == stop:
            die()

    fit(tiny_config(save_every=2), data, out, Callbacks(on_step=note))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
