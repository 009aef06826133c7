"""Computes features and encoder outputs for a whole recording, in chunks if it is long.

Chunks overlap by more than the encoder's receptive field. The result does not depend on the chunk boundaries,
and peak memory does not grow with the length of the recording.

Shape suffixes: B clips (1 here), G frames of 1024 samples, P candidate pitches, S traits, L level steps of 64
samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from train.systems.base import Audio
from train.systems.triptych.networks.encoder import SUBFRAMES, NoteLogits
from train.systems.triptych.networks.features import (
    HOP,
    LEVEL_HOP,
    LONG_HOP,
    LONG_WINDOW,
    Features,
    extract_features,
    octave_traits,
)
from train.systems.triptych.networks.model import TriptychModel

CHUNK_S = 30.0
"""Length in seconds above which a recording is encoded in chunks."""


class EncodedRecording(NamedTuple):
    """Holds the encoder's outputs for a whole recording.

    Attributes:
        logits: note logits of one clip.
        traits_GPS: octave traits of each candidate pitch on frames of 1024 samples, float32.
        level_L: mean power every 64 samples, float32.
        features: features of the recording, or None if it was encoded in several chunks.
    """

    logits: NoteLogits
    traits_GPS: Tensor
    level_L: Tensor
    features: Features | None


def to_model_input(audio: Audio, scale: float, device: torch.device) -> Tensor:
    """Multiplies audio [n] by `scale` and moves it to `device`: float32 [1, n].

    The networks expect a peak of -1 dBFS, so `scale` is that of the whole recording.
    """
    return torch.from_numpy(np.array(audio, dtype=np.float32)).to(device)[None] * scale


def encode_recording(model: TriptychModel, audio: Audio, scale: float) -> EncodedRecording:
    """Runs features and note encoder over a recording.

    Args:
        model: the model, whose device is used.
        audio: float32 [n] at the model's rate.
        scale: factor that brings the recording to a peak of -1 dBFS.

    Example::

        encoded = encode_recording(model, audio, PEAK / peak_of(audio))
    """
    rate, device = model.format.rate, model.device
    size = max(round(CHUNK_S * rate) // LONG_HOP, 1) * LONG_HOP
    if len(audio) <= size:
        features = extract_features(to_model_input(audio, scale, device), rate)
        return EncodedRecording(
            model.encoder(features), octave_traits(features.stack_HPN), features.level_BL[0], features
        )
    # The encoder's receptive field on each side, rounded up to whole frames of every kind.
    reach = -(-(3 * model.config.encoder_blocks * HOP + LONG_WINDOW) // LONG_HOP) * LONG_HOP
    logits, traits, levels = [], [], []
    for start in range(0, len(audio), size):
        stop = min(start + size, len(audio))
        before, after = max(start - reach, 0), min(stop + reach, len(audio))
        features = extract_features(to_model_input(audio[before:after], scale, device), rate)
        last = stop == len(audio)
        subframes, frames, long_frames, level_steps = (
            slice((start - before) // hop, None if last else (stop - before) // hop)
            for hop in (HOP // SUBFRAMES, HOP, LONG_HOP, LEVEL_HOP)
        )
        chunk = model.encoder(features)
        events = [part[:, subframes] for part in chunk[:4]]
        logits.append(NoteLogits._make([*events, chunk.gate_BF[:, frames], chunk.pitch_BGP[:, long_frames]]))
        traits.append(octave_traits(features.stack_HPN)[long_frames])
        levels.append(features.level_BL[0, level_steps])
    joined = NoteLogits._make(torch.cat(parts, dim=1) for parts in zip(*logits, strict=True))
    return EncodedRecording(joined, torch.cat(traits), torch.cat(levels), None)
