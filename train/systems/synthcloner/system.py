"""SynthCloner as a system: batches, losses and conversion.

Shape suffixes: B clips, T samples of a crop, U samples (or frames) of a whole clip, P pitches, F frames, C
channels, D numbers of the timbre vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from manifests.dataset.clip_audio import as_float
from manifests.splits.seeds import stream
from manifests.types import InputError
from train.data.examples import Example
from train.nn.discriminator import discriminator_loss, generator_loss
from train.nn.losses import mel_distances
from train.systems.base import Audio, Conversion, ConversionRequest, Format, OptimizerTurn, System
from train.systems.peak import normalise_peak
from train.systems.synthcloner.codec import Decoder, Encoder
from train.systems.synthcloner.config import SynthClonerConfig
from train.systems.synthcloner.discriminators import Discriminators
from train.systems.synthcloner.envelope import EnvelopeEncoder, loudness
from train.systems.synthcloner.layers import Head
from train.systems.synthcloner.quantiser import ResidualQuantiser
from train.systems.synthcloner.rhythm import Gate, estimate_gates, note_gates, retime_frames, sustain_mask
from train.systems.synthcloner.timbre import TimbreEncoder

LOWEST_PITCH, PITCHES = 21, 88
POSITIVE_WEIGHT = 20.0
"""Weight of frames with an onset in the pitch loss."""


class Batch(NamedTuple):
    """A batch of B examples.

    Attributes:
        target_BT: crops of the targets, float32.
        content_BT: crops of the content clips, float32, at the targets' positions.
        timbre_BT: crops of the timbre clips, float32.
        envelope_BU: whole clips that give the envelopes, float32.
        index_BF: index of the envelope clip's frame for each frame of the target, int64.
        pitch_BPF: 1 at the onset of each pitch, float32.
        class_B: class of each timbre, int64; -1 for none.
        envelope_B: class of each envelope, int64.
    """

    target_BT: Tensor
    content_BT: Tensor
    timbre_BT: Tensor
    envelope_BU: Tensor
    index_BF: Tensor
    pitch_BPF: Tensor
    class_B: Tensor
    envelope_B: Tensor

    def to(self, device: torch.device) -> Batch:
        """Copies the batch to a device."""
        return Batch(*(part.to(device) for part in self))


class EncodedRecording(NamedTuple):
    """A recording's encoder frames, the quantised ones, and its loudness."""

    frames_1CF: Tensor
    content_1CF: Tensor
    loudness_12F: Tensor


class SynthCloner(System):
    """Content by residual vector quantisation, the envelope as frames, the timbre as one vector.

    Example::

        system = build("synthcloner", SynthClonerConfig(), Format(44_100, 3.0, ("piano",)))
    """

    name = "synthcloner"
    by_number = False
    any_envelope = False
    timbre_class_prefixes = ("timbre_head.",)

    def __init__(self, config: SynthClonerConfig, format: Format) -> None:
        super().__init__()
        self.config = config
        self.format = format
        self.encoder = Encoder(config)
        self.quantiser = ResidualQuantiser(config)
        self.envelope_encoder = EnvelopeEncoder(config)
        self.timbre_encoder = TimbreEncoder(config)
        self.condition = nn.Linear(config.latent, 2 * config.latent)
        self.decoder = Decoder(config)
        self.pitch_head = Head(config.latent, PITCHES)
        self.timbre_head = Head(config.latent, max(1, len(format.timbres)))
        self.envelope_head = Head(config.latent, config.envelopes)
        self.judges = Discriminators(config)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        judges = list(self.judges.parameters())
        own = {id(parameter) for parameter in judges}
        return {"codec": [p for p in self.parameters() if id(p) not in own], "discriminator": judges}

    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> Batch:
        hop = self.config.hop
        frames = max(1, round(self.config.crop_seconds * self.format.rate / hop))
        rows = [self._row(example, min(frames, len(example.target.audio) // hop)) for example in examples]
        parts = [torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)]
        known = [classes.get(example.timbre.id.timbre, -1) for example in examples]
        return Batch._make([*parts, torch.tensor(known), torch.tensor([self._class(e) for e in examples])])

    def _class(self, example: Example) -> int:
        """Returns the class of an example's envelope. Raises InputError if the model has too few."""
        envelope = example.envelope.id.envelope
        if envelope >= self.config.envelopes:
            raise InputError(
                f"model.envelopes: {self.config.envelopes} classes, but the dataset has envelope {envelope};"
                " raise it to the dataset's number of envelopes"
            )
        return envelope

    def _row(self, example: Example, frames: int) -> tuple[np.ndarray, ...]:
        """Makes an example's arrays: target, content, timbre, envelope, frame indices, pitch labels."""
        hop, rate, config = self.config.hop, self.format.rate, self.config
        target, donor = example.target, example.envelope
        draws = stream(example.seed, "crop")
        total_frames = len(target.audio) // hop
        first = int(draws.random() * (total_frames - frames + 1))
        at = slice(first * hop, (first + frames) * hop)
        content = as_float(example.content.audio)
        if draws.random() < config.mask_probability:
            content = content * sustain_mask(
                example.content.notes, rate, len(content), config.mask_after_ms, config.mask_fade_ms
            )
        timbre_start = int(draws.random() * (total_frames - frames + 1)) * hop
        envelope = as_float(donor.audio)[: total_frames * hop]
        gates = note_gates(target.notes, rate, len(target.audio), hop)
        if donor.id.phrase == target.id.phrase:
            index = np.arange(total_frames)
        else:
            level = loudness(torch.from_numpy(envelope)[None], hop)[0, 0].numpy()
            index = retime_frames(
                gates, note_gates(donor.notes, rate, len(donor.audio), hop), level, total_frames
            )
        pitch = np.zeros((PITCHES, frames), dtype=np.float32)
        for note, gate in zip(target.notes, gates, strict=True):
            row, column = note.pitch - LOWEST_PITCH, gate.onset - first
            if 0 <= row < PITCHES and 0 <= column < frames:
                pitch[row, column] = 1.0
        return (
            as_float(target.audio)[at],
            content[at],
            as_float(example.timbre.audio)[timbre_start : timbre_start + frames * hop],
            envelope,
            index[first : first + frames],
            pitch,
        )

    def training_losses(self, batch: Batch, progress: float) -> Iterator[OptimizerTurn]:
        config = self.config
        encoded = self.encoder(torch.cat([batch.content_BT, batch.timbre_BT]))
        content, timbre = encoded.chunk(2)
        quantised = self.quantiser(content)
        vector_BD = self.timbre_encoder(timbre)
        shape_BCU = self.envelope_encoder(loudness(batch.envelope_BU, config.hop))
        estimate_BT = self._decode(quantised.frames, take_frames(shape_BCU, batch.index_BF), vector_BD)

        losses = {
            "mel": config.mel_weight * mel_distances(estimate_BT, batch.target_BT, self.format.rate).sum(),
            "commitment": config.commitment_weight * quantised.commitment,
            "codebook": config.codebook_weight * quantised.codebook,
            "pitch": config.head_weight * self._pitch_loss(quantised.frames, batch.pitch_BPF),
            "envelope": config.head_weight
            * F.cross_entropy(self.envelope_head(shape_BCU).mean(-1), batch.envelope_B),
        }
        known = batch.class_B >= 0
        if known.any():
            logits = self.timbre_head(vector_BD[known][..., None])[..., 0]
            losses["timbre"] = config.head_weight * F.cross_entropy(logits, batch.class_B[known])
        if progress >= config.adversarial_from and config.adversarial_weight > 0.0:
            output = self.judges(torch.cat([batch.target_BT, estimate_BT.detach()]))
            yield OptimizerTurn("discriminator", {"discriminator": discriminator_loss(*output.halves())})
            with torch.no_grad():
                real = self.judges(batch.target_BT)
            fake = self.judges(estimate_BT)
            losses["generator"] = config.adversarial_weight * generator_loss(fake)
            distances = [F.l1_loss(f, r) for r, f in zip(real.features, fake.features, strict=True)]
            losses["feature_matching"] = config.feature_matching_weight * torch.stack(distances).mean()
        yield OptimizerTurn("codec", losses)

    def _pitch_loss(self, content_BCF: Tensor, pitch_BPF: Tensor) -> Tensor:
        """Computes the cross-entropy of onsets by pitch, given the quantised content."""
        weight = torch.full((PITCHES, 1), POSITIVE_WEIGHT, device=pitch_BPF.device)
        logits = self.pitch_head(content_BCF).float()
        return F.binary_cross_entropy_with_logits(logits, pitch_BPF, pos_weight=weight)

    def _decode(self, content_BCF: Tensor, shape_BCF: Tensor, vector_BD: Tensor) -> Tensor:
        """Decodes content plus envelope, normalised over channels, scaled and shifted by the timbre."""
        mixed = F.layer_norm((content_BCF + shape_BCF).transpose(1, 2), (self.config.latent,))
        scale, shift = self.condition(vector_BD)[:, None].chunk(2, dim=-1)
        audio_BT: Tensor = self.decoder((mixed * (1.0 + scale) + shift).transpose(1, 2))
        return audio_BT

    def convert(self, request: ConversionRequest) -> Conversion:
        """Converts with the reference's timbre vector, with its envelope frames, or with both.

        Envelope frames are moved to the source's notes. Raises InputError if the request gives numbers.
        """
        self.refuse_numbers(request)
        source = self._encode_recording(request.source)
        reference = source if request.reference is None else self._encode_recording(request.reference)
        vector_BD = self.timbre_encoder((reference if "timbre" in request.take else source).frames_1CF)
        envelope_giver = reference if "envelope" in request.take else source
        shape_1CF = self.envelope_encoder(envelope_giver.loudness_12F)
        if envelope_giver is not source:
            index = retime_frames(
                self._estimate_gates(source),
                self._estimate_gates(envelope_giver),
                _log_level(envelope_giver),
                source.content_1CF.shape[-1],
            )
            shape_1CF = take_frames(shape_1CF, torch.from_numpy(index)[None].to(shape_1CF.device))
        audio = self._decode(source.content_1CF, shape_1CF, vector_BD)[0, : len(request.source)]
        return Conversion(audio.float().cpu().numpy(), None, None, None)

    def _encode_recording(self, audio: Audio) -> EncodedRecording:
        """Encodes a recording, scaled to -1 dBFS and padded to whole frames."""
        audio_1T = normalise_peak(audio).to(self.condition.weight.device)
        padded = F.pad(audio_1T, (0, -len(audio) % self.config.hop))
        frames = self.encoder(padded)
        return EncodedRecording(frames, self.quantiser(frames).frames, loudness(padded, self.config.hop))

    def _estimate_gates(self, recording: EncodedRecording) -> list[Gate]:
        """Estimates a recording's gates from its level and its onset probabilities."""
        logits = self.pitch_head(recording.content_1CF)
        return estimate_gates(
            _log_level(recording), np.asarray(logits[0].amax(0).float().sigmoid().cpu().numpy())
        )


def take_frames(frames_BCU: Tensor, index_BF: Tensor) -> Tensor:
    """Gathers frames by their indices, [B, C, F]."""
    return frames_BCU.gather(2, index_BF[:, None].expand(-1, frames_BCU.shape[1], -1))


def _log_level(recording: EncodedRecording) -> np.ndarray:
    """Returns the log10 RMS of each frame, float32 [F]."""
    return np.asarray(recording.loudness_12F[0, 0].cpu().numpy())
