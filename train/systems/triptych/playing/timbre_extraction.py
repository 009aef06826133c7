"""Extracts the timbre of a passage, stores timbres as named tensors, and interpolates between them."""

from __future__ import annotations

import torch
from torch import Tensor

from manifests.types import Envelope, InputError
from train.nn.gain import envelope_batch
from train.systems.triptych.hearing.analysis_result import Analysis, Passage
from train.systems.triptych.networks.decoder import transpose_profile
from train.systems.triptych.networks.features import LOWEST_PITCH, PITCHES
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.timbre import Profile, Timbre, divide_out_gain, measure_profile

PROFILE_TENSORS = (
    "harmonic_BNK", "half_BNH", "noise_BNW", "pitch_BN", "confidence_BN", "scale_B", "level_B",
)  # fmt: skip
"""Names of a profile's tensors in timbre files, in the order of `Profile`. Part of the file format."""


def extract_timbre(model: TriptychModel, passage: Passage, envelope: Envelope) -> Timbre:
    """Measures the profile and computes the vectors of a passage, given its estimated notes and envelope.

    Everything is relative to a peak of -1 dBFS, except the profile's `level_B`: that is the recording's own.
    """
    features, notes, scale = passage
    rate, cut_fade_ms = model.format.rate, model.format.cut_fade_ms
    envelopes = envelope_batch([envelope]).to(notes.onset_BN.device)
    frames = divide_out_gain(features, notes, envelopes, rate, cut_fade_ms)
    profile = measure_profile(frames, notes, model.config, rate)
    profile = profile._replace(level_B=profile.level_B / max(scale, 1e-9))
    return Timbre(profile, model.timbre_encoder(frames, notes, rate))


def timbre_of(model: TriptychModel, analysis: Analysis) -> Timbre | None:
    """Extracts the timbre of an analysed recording; None without notes."""
    if analysis.passage is None:
        return None
    return extract_timbre(model, analysis.passage, analysis.envelope)


def timbre_to_tensors(timbre: Timbre) -> dict[str, Tensor]:
    """Returns a timbre as the named tensors that timbre files hold."""
    return {**dict(zip(PROFILE_TENSORS, timbre.profile, strict=True)), "vectors": timbre.vectors}


def timbre_from_tensors(model: TriptychModel, tensors: dict[str, Tensor]) -> Timbre:
    """Returns the timbre that named tensors hold, on the model's device as float32.

    Raises InputError if a tensor is missing, has not the shape of this model's, or is not finite.
    """
    config = model.config
    notes = tensors["pitch_BN"].shape[-1] if "pitch_BN" in tensors else 0
    shapes = {
        "harmonic_BNK": (1, notes, config.harmonics), "half_BNH": (1, notes, config.subharmonics),
        "noise_BNW": (1, notes, config.noise_bands), "pitch_BN": (1, notes), "confidence_BN": (1, notes),
        "scale_B": (1,), "level_B": (1,), "vectors": (1, 1 + config.timbre_tokens, config.timbre_dims),
    }  # fmt: skip
    for name, shape in shapes.items():
        if name not in tensors:
            raise InputError(f"timbre: tensor {name!r} is missing; encode the recording again")
        if tuple(tensors[name].shape) != shape or not torch.isfinite(tensors[name]).all():
            raise InputError(f"timbre: tensor {name!r}: expected finite numbers of shape {shape}")
    *profile, vectors = (
        tensors[name].to(model.device, torch.float32) for name in (*PROFILE_TENSORS, "vectors")
    )
    return Timbre(Profile(*profile), vectors)


def interpolate_timbre(model: TriptychModel, start: Timbre, end: Timbre, share: float) -> Timbre:
    """Interpolates linearly between two timbres, levels in decibels and vectors as they are.

    Both profiles are first transposed to a common set of pitches, all 88 keys. `share` 0 is `start`, 1 `end`.
    """
    pitch_N = torch.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES, device=start.vectors.device).float()
    clip_N = torch.zeros(PITCHES, dtype=torch.long, device=pitch_N.device)
    spread = model.decoder.spread.abs() + 0.2
    first, second = (transpose_profile(timbre.profile, clip_N, pitch_N, spread) for timbre in (start, end))
    profile = Profile(
        torch.lerp(first.by_number_RK, second.by_number_RK, share)[None],
        torch.lerp(first.subharmonic_RH, second.subharmonic_RH, share)[None],
        torch.lerp(first.noise_RW, second.noise_RW, share)[None],
        pitch_N[None],
        torch.zeros_like(pitch_N)[None],
        torch.lerp(start.profile.scale_B.log(), end.profile.scale_B.log(), share).exp(),
        torch.lerp(start.profile.level_B.log(), end.profile.level_B.log(), share).exp(),
    )
    return Timbre(profile, torch.lerp(start.vectors, end.vectors, share))
