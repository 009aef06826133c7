"""A recording through features and encoder, piece by piece where it is long.

The pieces overlap by more than the encoder can see around a frame, so nothing depends on where they are cut,
and memory does not grow with length.
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
    features,
    octave_traits,
)
from train.systems.triptych.networks.model import TriptychModel

CHUNK_S = 30.0
"""Longer recordings are heard piece by piece."""


class Listened(NamedTuple):
    """The encoder's view of a whole recording, and on the same frames the traits of candidate pitches; its
    features too where they were made in one piece."""

    logits: NoteLogits
    traits_GPS: Tensor
    level_L: Tensor
    features: Features | None


def sound_of(audio: Audio, scale: float, device: torch.device) -> Tensor:
    """A piece of a recording as the encoder wants it: [1, n], at -1 dBFS if `scale` is the recording's."""
    return torch.from_numpy(np.array(audio, dtype=np.float32)).to(device)[None] * scale


def listen(model: TriptychModel, audio: Audio, scale: float) -> Listened:
    """Logits and level of a whole recording, piece by piece where it is longer than `CHUNK_S`."""
    rate, device = model.format.rate, model.device
    size = max(round(CHUNK_S * rate) // LONG_HOP, 1) * LONG_HOP
    if len(audio) <= size:
        seen = features(sound_of(audio, scale, device), rate)
        return Listened(model.encoder(seen), octave_traits(seen.stack_HPN), seen.level_BL[0], seen)
    # What the encoder sees around a frame, rounded up to whole frames of every kind.
    reach = -(-(3 * model.config.encoder_blocks * HOP + LONG_WINDOW) // LONG_HOP) * LONG_HOP
    logits, traits, levels = [], [], []
    for start in range(0, len(audio), size):
        stop = min(start + size, len(audio))
        before, after = max(start - reach, 0), min(stop + reach, len(audio))
        seen = features(sound_of(audio[before:after], scale, device), rate)
        last = stop == len(audio)
        at = [
            slice((start - before) // hop, None if last else (stop - before) // hop)
            for hop in (HOP // SUBFRAMES, HOP, LONG_HOP, LEVEL_HOP)
        ]
        heard = model.encoder(seen)
        events = [part[:, at[0]] for part in heard[:4]]
        logits.append(NoteLogits._make([*events, heard.gate_BF[:, at[1]], heard.pitch_BGP[:, at[2]]]))
        traits.append(octave_traits(seen.stack_HPN)[at[2]])
        levels.append(seen.level_BL[0, at[3]])
    whole = NoteLogits._make(torch.cat(parts, dim=1) for parts in zip(*logits, strict=True))
    return Listened(whole, torch.cat(traits), torch.cat(levels), None)
