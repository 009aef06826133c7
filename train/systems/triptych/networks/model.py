"""Model of the codec: every network that conversion uses, and the data format they are made for."""

from __future__ import annotations

import torch
from torch import nn

from train.systems.base import Format
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.networks.decoder import Decoder
from train.systems.triptych.networks.encoder import Encoder
from train.systems.triptych.networks.envelope_head import EnvelopeHead
from train.systems.triptych.networks.features import LEVEL_HOP
from train.systems.triptych.networks.octave_head import OctaveHead
from train.systems.triptych.networks.timbre_encoder import TimbreEncoder
from train.systems.triptych.networks.transposition import Transposition


class TriptychModel(nn.Module):
    """Holds the networks that hear (encoder, heads, timbre encoder) and play (decoder, transposition).

    It has no `forward`: training (`system.py`), `hearing` and `playing` each call the networks they need.

    Args:
        config: sizes of the networks.
        format: sample rate in Hz, cut fade in ms and names of the train timbres, one class each.
    """

    def __init__(self, config: TriptychConfig, format: Format) -> None:
        super().__init__()
        self.config = config
        self.format = format
        self.encoder = Encoder(config)
        self.envelope_head = EnvelopeHead(config.envelope_width, format.rate, LEVEL_HOP)
        self.timbre_encoder = TimbreEncoder(config)
        self.timbre_head = nn.Linear(config.timbre_dims, max(1, len(format.timbres)))
        self.octave_head = OctaveHead(config.timbre_dims)
        self.decoder = Decoder(config, format.rate)
        self.transposition = Transposition(config, format.rate)

    @property
    def device(self) -> torch.device:
        """The device that the weights are on."""
        return next(self.parameters()).device
