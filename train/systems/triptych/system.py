"""Triptych's own codec as a system: how examples become batches, its losses, and how it converts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from manifests.splits.seeds import stream
from manifests.synthesis.compose import FULL_SCALE, spans
from train.data.examples import Clip, Example, stacked
from train.nn.discriminator import Discriminator, discriminator_loss, feature_matching_loss, generator_loss
from train.nn.gain import EnvelopeBatch, NoteBatch, clip_gain, envelope_batch, note_batch
from train.nn.losses import spectral_losses
from train.systems.base import (
    Audio,
    Conversion,
    ConversionRequest,
    Description,
    Factors,
    Format,
    System,
    Turn,
)
from train.systems.triptych.augment import BANDS, ROOM, equalise, in_rooms, level_change
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.inference.conversion import blend, convert, decode, encode
from train.systems.triptych.inference.description import describe
from train.systems.triptych.networks.envelope_head import envelope_losses
from train.systems.triptych.networks.features import HOP, features
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.note_head import note_losses
from train.systems.triptych.networks.timbre import measure, open_frames
from train.systems.triptych.networks.timbre_encoder import likeness_loss, rounded

Fields = tuple[float, float, float, float, float]
"""A note as onset, note-off and end in samples, velocity 0..1, pitch."""


class Batch(NamedTuple):
    """B different input clips with what is true of them, and R pieces of the targets' notes.

    `pieces` holds each piece's note as a clip of one note; `start_R` is where the piece begins in the note
    and `piece_RT` its sound, `scale_R` what a tone of RMS 0.1 was multiplied with in that clip;
    `timbre_R` says which input clip has the timbre, `class_B` is its class (-1: none); `equaliser_BE` is what
    is done to clips and pieces first, in dB; `room_BR` and `room_key` the rooms that notes are heard in.
    """

    audio_BT: Tensor
    notes: NoteBatch
    jittered: NoteBatch
    envelope: EnvelopeBatch
    class_B: Tensor
    pieces: NoteBatch
    piece_envelope: EnvelopeBatch
    start_R: Tensor
    piece_RT: Tensor
    scale_R: Tensor
    timbre_R: Tensor
    equaliser_BE: Tensor
    room_BR: Tensor
    room_key: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(part.to(device) for part in self))  # type: ignore[arg-type]


class Triptych(TriptychModel, System):
    """Content as notes, envelope as numbers, timbre as a profile and a vector."""

    name = "triptych"
    on_device = True
    timbre_names = ("timbre_head.",)

    def __init__(self, config: TriptychConfig, format: Format) -> None:
        super().__init__(config, format)
        self.discriminator = Discriminator()

    def players(self) -> dict[str, list[nn.Parameter]]:
        judges = list(self.discriminator.parameters())
        own = {id(parameter) for parameter in judges}
        return {"codec": [p for p in self.parameters() if id(p) not in own], "discriminator": judges}

    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> Batch:
        inputs: dict[str, Clip] = {}
        for example in examples:
            for clip in (example.content, example.timbre, example.envelope):
                inputs.setdefault(clip.id.key, clip)
        clips = list(inputs.values())
        place = {key: index for index, key in enumerate(inputs)}
        rate, frames = self.format.rate, len(clips[0].audio)
        notes = note_batch([clip.notes for clip in clips], rate, frames)
        spread = self.config.jitter_ms * rate / 1000.0
        draws = stream(examples[0].seed, "jitter")
        jitter = (
            torch.from_numpy(draws.random((2, *notes.onset_BN.shape)).astype(np.float32) * 2 - 1) * spread
        )
        jittered = jitter_notes(notes, jitter)
        rows = [row for example in examples for row in self._pieces(example)]
        samples = self._piece_samples()
        pieces = [
            (example, note, start, _cut_out(example.target.audio, note[0] + start, samples, note[2]))
            for example, note, start in rows
        ]
        fields = torch.tensor(
            [[*note[:3], note[3], note[4]] for _, note, _, _ in pieces], dtype=torch.float32
        )
        onset, off, end, velocity, pitch = (column[:, None] for column in fields.unbind(1))
        return Batch(
            stacked([clip.audio for clip in clips]).float() / FULL_SCALE,
            notes,
            jittered,
            envelope_batch([clip.envelope for clip in clips]),
            torch.tensor([classes.get(clip.id.timbre, -1) for clip in clips]),
            NoteBatch(onset, off, end, velocity, pitch, torch.ones_like(onset, dtype=torch.bool)),
            envelope_batch([example.target.envelope for example, *_ in pieces]),
            torch.tensor([float(start) for _, _, start, _ in pieces]),
            stacked([sound for *_, sound in pieces]).float() / FULL_SCALE,
            torch.tensor([example.target.gain for example, *_ in pieces], dtype=torch.float32),
            torch.tensor([place[example.timbre.id.key] for example, *_ in pieces]),
            self._equalisers(len(clips), examples[0].seed),
            *self._rooms(len(clips), examples[0].seed),
        )

    def _equalisers(self, clips: int, seed: int) -> Tensor:
        """Random equalisers for half of the clips, flat ones for the others: [clips, bands] in dB."""
        draws = stream(seed, "equaliser").random((clips, BANDS + 1)).astype(np.float32)
        decibel = (2.0 * draws[:, 1:] - 1.0) * self.config.equaliser_db * (draws[:, :1] < 0.5)
        return torch.from_numpy(decibel)

    def _rooms(self, clips: int, seed: int) -> tuple[Tensor, Tensor]:
        """Rooms for some of the clips, [clips, ROOM], and the key of their noise."""
        draws = stream(seed, "rooms").random((clips, ROOM + 1))
        draws[draws[:, -1] >= self.config.rooms, ROOM - 1] = 0.0
        return torch.from_numpy(draws[:, :ROOM].astype(np.float32)), torch.tensor(seed % 2**63)

    def _equalised(self, batch: Batch) -> Batch:
        """The batch with its equalisers applied, a target's pieces with those of its timbre's clip."""
        audio = equalise(batch.audio_BT, batch.equaliser_BE, self.format.rate)
        back_B = batch.audio_BT.abs().amax(1) / audio.abs().amax(1).clamp(min=1e-6)
        louder_B = level_change(batch.audio_BT, audio)
        piece = equalise(batch.piece_RT, batch.equaliser_BE[batch.timbre_R], self.format.rate)
        plain_B = (batch.equaliser_BE == 0.0).all(1)
        return batch._replace(
            audio_BT=audio * back_B[:, None],
            piece_RT=piece * back_B[batch.timbre_R, None],
            scale_R=batch.scale_R * (louder_B * back_B)[batch.timbre_R],
            # Another timbre now, and none that has a name.
            class_B=torch.where(plain_B, batch.class_B, torch.full_like(batch.class_B, -1)),
        )

    def _piece_samples(self) -> int:
        return round(self.config.note_seconds * self.format.rate / HOP) * HOP

    def _pieces(self, example: Example) -> list[tuple[Example, Fields, int]]:
        """Some of the target's notes: their fields in samples, and where in the note the piece begins."""
        target = example.target
        draws = stream(example.seed, "pieces")
        length = self._piece_samples()
        order = np.argsort(draws.random(len(target.notes)), kind="stable")[: self.config.notes_a_target]
        all_spans = spans(target.notes, self.format.rate, len(target.audio))
        rows: list[tuple[Example, Fields, int]] = []
        for index in order:
            note, span = target.notes[index], all_spans[index]
            release = round(target.envelope.release_ms * self.format.rate / 1000.0)
            spare = max(min(span.end, span.off + release) - span.onset - length, 0)
            start = int(draws.random() * (spare + 1)) if draws.random() < 0.5 else 0
            fields = (span.onset, span.off, span.end, note.velocity / 127.0, float(note.pitch))
            rows.append((example, fields, start))
        return rows

    def turns(self, batch: Batch, progress: float) -> Iterator[Turn]:
        config, rate = self.config, self.format.rate
        if config.equaliser_db:
            batch = self._equalised(batch)
        heard = features(batch.audio_BT, rate)
        noted = heard
        if config.rooms:
            # A source's room is not to be played: only its notes are read from how it sounds there.
            noted = features(in_rooms(batch.audio_BT, batch.room_BR, batch.room_key, rate), rate)
        losses = weighted(note_losses(self.encoder(noted), batch.notes), config.note_weight)
        guess = self.envelope_head(heard.level_BL, batch.jittered)
        losses |= weighted(
            envelope_losses(guess, batch.envelope, batch.jittered, rate), config.envelope_weight
        )

        cut = self.format.cut_fade_ms
        opened = open_frames(heard, batch.jittered, batch.envelope, rate, cut)
        profile = measure(opened, batch.jittered, config, rate)
        views = self.timbre_encoder.views(opened, batch.jittered, rate)
        losses["likeness"] = config.likeness_weight * likeness_loss(views)
        vector_BKD = rounded(views.whole_BKD)
        known = batch.class_B >= 0
        if known.any() and config.timbre_weight:
            said = nn.functional.cross_entropy(self.timbre_head(vector_BKD[known, 0]), batch.class_B[known])
            losses["timbre"] = config.timbre_weight * said

        estimate_RT = self._play_pieces(batch, profile, vector_BKD)
        spectral = spectral_losses(estimate_RT, batch.piece_RT, rate)
        losses["stft"] = config.spectral_weight * spectral["stft"]
        losses["mel"] = config.mel_weight * spectral["mel"]

        if progress >= config.adversarial_from and config.adversarial_weight > 0.0:
            real = self.discriminator(batch.piece_RT)
            yield Turn(
                "discriminator", {"judge": discriminator_loss(real, self.discriminator(estimate_RT.detach()))}
            )
            with torch.no_grad():
                real = self.discriminator(batch.piece_RT)
            fake = self.discriminator(estimate_RT)
            losses["fooling"] = config.adversarial_weight * generator_loss(fake)
            losses["matching"] = config.matching_weight * feature_matching_loss(real, fake)
        yield Turn("codec", losses)

    def _play_pieces(self, batch: Batch, profile: Any, vector_BKD: Tensor) -> Tensor:
        samples = batch.piece_RT.shape[1]
        tone_RT = self.decoder(
            profile, vector_BKD, batch.timbre_R, batch.pieces.pitch_BN[:, 0], batch.start_R, samples
        )
        at = batch.pieces.onset_BN + batch.start_R[:, None] + torch.arange(samples, device=tone_RT.device)
        gain = clip_gain(batch.pieces, batch.piece_envelope, at, self.format.rate, self.format.cut_fade_ms)
        estimate_RT: Tensor = tone_RT * gain * batch.scale_R[:, None]
        return estimate_RT

    def convert(self, request: ConversionRequest) -> Conversion:
        return convert(self, request)

    def describe(self, audio: Audio) -> Description:
        return describe(self, audio)

    def encode(self, audio: Audio) -> Factors:
        return encode(self, audio)

    def decode(self, factors: Factors) -> Conversion:
        return decode(self, factors)

    def blend(self, one: dict[str, Tensor], other: dict[str, Tensor], share: float) -> dict[str, Tensor]:
        return blend(self, one, other, share)


def jitter_notes(notes: NoteBatch, jitter_2BN: Tensor) -> NoteBatch:
    """Notes whose onsets and note-offs are moved by so many samples, still in order."""
    onset = torch.where(notes.mask_BN, (notes.onset_BN + jitter_2BN[0]).clamp(min=0.0), notes.onset_BN)
    after = torch.cat([onset[:, 1:], notes.end_BN[:, -1:]], dim=1)
    end = torch.where(notes.mask_BN, torch.minimum(after, notes.end_BN.amax(1, keepdim=True)), notes.end_BN)
    legato = notes.off_BN >= notes.end_BN
    off = torch.where(legato, end, torch.minimum(notes.off_BN + jitter_2BN[1], end))
    return notes._replace(onset_BN=onset, off_BN=torch.maximum(off, onset + 1.0), end_BN=end)


def weighted(losses: dict[str, Tensor], weight: float) -> dict[str, Tensor]:
    """Each loss times a weight."""
    return {name: weight * loss for name, loss in losses.items()}


def _cut_out(audio: np.ndarray, start: float, samples: int, end: float) -> np.ndarray:
    """`samples` of a clip from `start` on, silent from `end` on."""
    first, last = int(start), min(int(start) + samples, int(end))
    # On a GPU, from a tone bank, audio is a tensor.
    piece = audio.new_zeros(samples) if isinstance(audio, Tensor) else np.zeros(samples, dtype=audio.dtype)
    piece[: max(last - first, 0)] = audio[first:last]
    return piece
