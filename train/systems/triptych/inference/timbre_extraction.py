"""The timbre of a passage that was heard, and timbres between two."""

from __future__ import annotations

import torch
from torch import Tensor

from manifests.types import Envelope, InputError
from train.nn.gain import envelope_batch
from train.systems.triptych.inference.analysis import Passage
from train.systems.triptych.networks.decoder import move
from train.systems.triptych.networks.features import LOWEST_PITCH, PITCHES
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.timbre import Profile, Timbre, measure, open_frames


def timbre_of(model: TriptychModel, passage: Passage, envelope: Envelope) -> Timbre:
    """The profile and the vectors of a passage, by the notes and the envelope heard in it.

    All is as of a recording at -1 dBFS, but for the profile's level: that is the recording's own.
    """
    seen, notes, scale = passage
    rate, cut = model.format.rate, model.format.cut_fade_ms
    shaped = envelope_batch([envelope]).to(notes.onset_BN.device)
    opened = open_frames(seen, notes, shaped, rate, cut)
    profile = measure(opened, notes, model.config, rate)
    profile = profile._replace(level_B=profile.level_B / max(scale, 1e-9))
    return Timbre(profile, model.timbre_encoder(opened, notes, rate))


def to_tensors(timbre: Timbre) -> dict[str, Tensor]:
    """A timbre as named tensors."""
    return {**timbre.profile._asdict(), "vectors": timbre.vectors}


def from_tensors(model: TriptychModel, tensors: dict[str, Tensor]) -> Timbre:
    """The timbre that tensors hold; InputError where they are not one of this system's."""
    config, device = model.config, model.device
    notes = tensors["pitch_BN"].shape[-1] if "pitch_BN" in tensors else 0
    shapes = {
        "harmonic_BNK": (1, notes, config.harmonics), "half_BNH": (1, notes, config.halves),
        "noise_BNW": (1, notes, config.noise_bands), "pitch_BN": (1, notes), "confidence_BN": (1, notes),
        "scale_B": (1,), "level_B": (1,), "vectors": (1, 1 + config.timbre_tokens, config.timbre_dims),
    }  # fmt: skip
    for name, shape in shapes.items():
        if name not in tensors:
            raise InputError(f"timbre: tensor {name!r} is missing; encode the recording again")
        if tuple(tensors[name].shape) != shape or not torch.isfinite(tensors[name]).all():
            raise InputError(f"timbre: tensor {name!r}: expected finite numbers of shape {shape}")
    *profile, vectors = (tensors[name].to(device, torch.float32) for name in shapes)
    return Timbre(Profile(*profile), vectors)


def between(model: TriptychModel, one: Timbre, other: Timbre, share: float) -> Timbre:
    """A timbre between two: levels in decibels and vectors go linearly from one to the other.

    The profiles are first moved to a common set of pitches, all 88 keys.
    """
    pitch = torch.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES, device=one.vectors.device).float()
    clip = torch.zeros(PITCHES, dtype=torch.long, device=pitch.device)
    spread = model.decoder.spread.abs() + 0.2
    keys = [move(timbre.profile, clip, pitch, spread) for timbre in (one, other)]

    def mixed(a: Tensor, b: Tensor) -> Tensor:
        return torch.lerp(a, b, share)

    profile = Profile(
        mixed(keys[0].by_number_RK, keys[1].by_number_RK)[None],
        mixed(keys[0].half_RH, keys[1].half_RH)[None],
        mixed(keys[0].noise_RW, keys[1].noise_RW)[None],
        pitch[None],
        torch.zeros_like(pitch)[None],
        mixed(one.profile.scale_B.log(), other.profile.scale_B.log()).exp(),
        mixed(one.profile.level_B.log(), other.profile.level_B.log()).exp(),
    )
    return Timbre(profile, mixed(one.vectors, other.vectors))
