"""Stores timbres as named tensors, as timbre files hold them, and checks those that are read.

Timbre files are untrusted: every tensor is checked before it is used.

Shape suffixes: N notes or tones, S samples of all tones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from manifests.types import InputError
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.timbre import Profile, Timbre
from train.systems.triptych.networks.tones import MOST_TONES, PADDING, Tones

PROFILE_TENSORS = (
    "harmonic_BNK", "half_BNH", "noise_BNW", "pitch_BN", "confidence_BN", "scale_B", "level_B",
)  # fmt: skip
"""Names of a profile's tensors in timbre files, in the order of `Profile`. Part of the file format."""

TONE_TENSORS = (
    "tone_pcm_S", "tone_scale_N", "tone_length_N", "tone_loop_N", "tone_pitch_N", "tone_level_N",
)  # fmt: skip
"""Names of the tensors of tones, in the order of `Tones`. Timbres without tones have none of them."""


def timbre_to_tensors(timbre: Timbre) -> dict[str, Tensor]:
    """Returns a timbre as the named tensors that timbre files hold.

    Tones take 88 kB for each second of sound at 44.1 kHz.
    """
    tensors = {**dict(zip(PROFILE_TENSORS, timbre.profile, strict=True)), "vectors": timbre.vectors}
    if timbre.tones is not None:
        tensors |= dict(zip(TONE_TENSORS, timbre.tones, strict=True))
    return tensors


def timbre_from_tensors(model: TriptychModel, tensors: dict[str, Tensor]) -> Timbre:
    """Returns the timbre that named tensors hold, on the model's device.

    Raises InputError if a tensor is missing, has not the shape of this model's, or is not finite.
    """
    config = model.config
    notes = tensors["pitch_BN"].shape[-1] if "pitch_BN" in tensors else 0
    shapes = {
        "harmonic_BNK": (1, notes, config.harmonics), "half_BNH": (1, notes, config.subharmonics),
        "noise_BNW": (1, notes, config.noise_bands), "pitch_BN": (1, notes), "confidence_BN": (1, notes),
        "scale_B": (1,), "level_B": (1,), "vectors": (1, 1 + config.timbre_tokens, config.timbre_dims),
    }  # fmt: skip
    *profile, vectors = (
        _checked(tensors, name, shapes[name]).to(model.device, torch.float32)
        for name in (*PROFILE_TENSORS, "vectors")
    )
    tones = None
    if any(name in tensors for name in TONE_TENSORS):
        tones = Tones(*(part.to(model.device) for part in _checked_tones(tensors)))
    return Timbre(Profile(*profile), vectors, tones)


def _checked(tensors: dict[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    """Returns a tensor of a given shape. Raises InputError if it is missing, or not what is expected."""
    if name not in tensors:
        raise InputError(f"timbre: tensor {name!r} is missing; encode the recording again")
    if tuple(tensors[name].shape) != shape or not torch.isfinite(tensors[name]).all():
        raise InputError(f"timbre: tensor {name!r}: expected finite numbers of shape {shape}")
    return tensors[name]


def _checked_tones(tensors: dict[str, Tensor]) -> Tones:
    """Returns the tones that tensors hold. Raises InputError if they do not fit each other."""
    count = tensors["tone_length_N"].numel() if "tone_length_N" in tensors else 0
    pcm = tensors.get("tone_pcm_S", torch.zeros(0))
    tones = Tones(
        _checked(tensors, "tone_pcm_S", (pcm.numel(),)),
        *(_checked(tensors, name, (count,)) for name in TONE_TENSORS[1:]),
    )
    lengths, loops = tones.length_N.long(), tones.loop_N.long()
    if not (
        1 <= count <= MOST_TONES
        and tones.pcm_S.dtype == torch.int16
        and bool((loops >= 1).all() and (loops <= lengths).all() and (lengths <= len(pcm)).all())
        and int((lengths + PADDING).sum()) == len(pcm)
    ):
        raise InputError(
            f"timbre: tones: expected 1 to {MOST_TONES} tones of int16 whose lengths and loops fit"
        )
    return tones._replace(
        scale_N=tones.scale_N.float(), length_N=lengths, loop_N=loops, pitch_N=tones.pitch_N.float(),
        level_N=tones.level_N.float(),
    )  # fmt: skip
