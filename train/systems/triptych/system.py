"""Trains the codec: makes batches of examples, computes the losses, and converts through `inference`.

Shape suffixes: B input clips, T samples, R excerpts of target notes, N notes (1 in an excerpt), E equaliser
bands, C numbers of a corruption, K timbre vectors of D numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from manifests.splits.seeds import stream
from manifests.synthesis.compose import FULL_SCALE, spans
from manifests.synthesis.octaves import median_pitch, octave_of
from train.data.examples import Clip, Example, stack_audio
from train.data.tables import Tables
from train.nn.discriminator import Discriminator, discriminator_loss, feature_matching_loss, generator_loss
from train.nn.gain import NoteBatch, clip_gain, envelope_batch, note_batch
from train.nn.losses import spectral_losses
from train.systems.base import (
    Audio,
    Blend,
    Conversion,
    ConversionRequest,
    Description,
    Factors,
    Format,
    OptimizerTurn,
    System,
)
from train.systems.triptych.augment import EQUALISER_BANDS, ROOM_NUMBERS, add_reverb, equalise, rms_ratio
from train.systems.triptych.batch import Batch, NoteFields, cut_out, jitter_notes
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.corruption import corrupt, draw_corruptions
from train.systems.triptych.inference import conversion, description
from train.systems.triptych.networks.envelope_head import envelope_losses
from train.systems.triptych.networks.features import HOP, extract_features
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.note_head import note_losses
from train.systems.triptych.networks.octave_head import OctaveHead
from train.systems.triptych.networks.timbre import Profile, divide_out_gain, measure_profile, note_spectra
from train.systems.triptych.networks.timbre_encoder import consistency_loss, round_straight_through

OLDER_PHRASES = 100
"""Phrases that older checkpoints count as trained with, all written in register 0."""


class Triptych(TriptychModel, System):
    """The codec: content as notes, envelope as numbers, timbre as a measured profile and learned vectors.

    Example::

        system = build("triptych", TriptychConfig(), Format(44_100, 3.0, ("piano",)))
        batch = system.collate(examples, classes)
        for turn in system.training_losses(batch, progress=0.0):
            sum(turn.losses.values()).backward()
    """

    name = "triptych"
    on_device = True
    timbre_class_prefixes = ("timbre_head.",)

    def __init__(self, config: TriptychConfig, format: Format) -> None:
        super().__init__(config, format)
        self.discriminator = Discriminator()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        discriminator = list(self.discriminator.parameters())
        excluded = {id(parameter) for parameter in discriminator}
        codec = [parameter for parameter in self.parameters() if id(parameter) not in excluded]
        return {"codec": codec, "discriminator": discriminator}

    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> Batch:
        inputs: dict[str, Clip] = {}
        for example in examples:
            for clip in (example.content, example.timbre, example.envelope):
                inputs.setdefault(clip.id.key, clip)
        clips = list(inputs.values())
        index_of = {key: index for index, key in enumerate(inputs)}
        rate, frames = self.format.rate, len(clips[0].audio)
        notes = note_batch([clip.notes for clip in clips], rate, frames)
        largest_shift = self.config.jitter_ms * rate / 1000.0
        draws = stream(examples[0].seed, "jitter").random((2, *notes.onset_BN.shape))
        jitter = torch.from_numpy(draws.astype(np.float32) * 2 - 1) * largest_shift
        jittered = jitter_notes(notes, jitter)
        rows = [row for example in examples for row in self._pieces(example)]
        samples = self._piece_samples()
        pieces = [
            (example, note, start, cut_out(example.target.audio, note[0] + start, samples, note[2]))
            for example, note, start in rows
        ]
        fields = torch.tensor([list(note) for _, note, _, _ in pieces], dtype=torch.float32)
        onset, off, end, velocity, pitch = (column[:, None] for column in fields.unbind(1))
        return Batch(
            stack_audio([clip.audio for clip in clips]).float() / FULL_SCALE,
            notes,
            jittered,
            envelope_batch([clip.envelope for clip in clips]),
            torch.tensor([clip.octave for clip in clips]),
            torch.tensor([classes.get(clip.id.timbre, -1) for clip in clips]),
            NoteBatch(onset, off, end, velocity, pitch, torch.ones_like(onset, dtype=torch.bool)),
            envelope_batch([example.target.envelope for example, *_ in pieces]),
            torch.tensor([float(start) for _, _, start, _ in pieces]),
            stack_audio([sound for *_, sound in pieces]).float() / FULL_SCALE,
            torch.tensor([example.target.gain for example, *_ in pieces], dtype=torch.float32),
            torch.tensor([index_of[example.timbre.id.key] for example, *_ in pieces]),
            self._draw_equalisers(len(clips), examples[0].seed),
            *self._draw_rooms(len(clips), examples[0].seed),
            draw_corruptions(len(clips), examples[0].seed, self.config.corruption_probability),
        )

    def _draw_equalisers(self, clips: int, seed: int) -> Tensor:
        """Draws equalisers for half of the clips, flat ones for the others: float32 [clips, E] in dB."""
        draws = stream(seed, "equaliser").random((clips, EQUALISER_BANDS + 1)).astype(np.float32)
        decibel = (2.0 * draws[:, 1:] - 1.0) * self.config.equaliser_db * (draws[:, :1] < 0.5)
        return torch.from_numpy(decibel)

    def _draw_rooms(self, clips: int, seed: int) -> tuple[Tensor, Tensor]:
        """Draws rooms for some of the clips, float32 [clips, ROOM_NUMBERS], and the seed of their noise."""
        draws = stream(seed, "rooms").random((clips, ROOM_NUMBERS + 1))
        draws[draws[:, -1] >= self.config.reverb_probability, ROOM_NUMBERS - 1] = 0.0
        return torch.from_numpy(draws[:, :ROOM_NUMBERS].astype(np.float32)), torch.tensor(seed % 2**63)

    def _equalised(self, batch: Batch) -> Batch:
        """Applies the equalisers, to an excerpt that of its timbre's clip; clips keep their peaks."""
        audio = equalise(batch.audio_BT, batch.equaliser_BE, self.format.rate)
        peak_ratio_B = batch.audio_BT.abs().amax(1) / audio.abs().amax(1).clamp(min=1e-6)
        rms_ratio_B = rms_ratio(batch.audio_BT, audio)
        piece = equalise(batch.piece_RT, batch.equaliser_BE[batch.timbre_R], self.format.rate)
        flat_B = (batch.equaliser_BE == 0.0).all(1)
        return batch._replace(
            audio_BT=audio * peak_ratio_B[:, None],
            piece_RT=piece * peak_ratio_B[batch.timbre_R, None],
            scale_R=batch.scale_R * (rms_ratio_B * peak_ratio_B)[batch.timbre_R],
            # An equalised timbre is another one, without a class.
            class_B=torch.where(flat_B, batch.class_B, torch.full_like(batch.class_B, -1)),
        )

    def _piece_samples(self) -> int:
        """Samples of an excerpt: whole decoder frames."""
        return round(self.config.note_seconds * self.format.rate / HOP) * HOP

    def _pieces(self, example: Example) -> list[tuple[Example, NoteFields, int]]:
        """Draws some of the target's notes: their fields, and the sample of the note at which to begin."""
        target = example.target
        draws = stream(example.seed, "pieces")
        length = self._piece_samples()
        order = np.argsort(draws.random(len(target.notes)), kind="stable")[: self.config.notes_per_target]
        note_spans = spans(target.notes, self.format.rate, len(target.audio))
        rows: list[tuple[Example, NoteFields, int]] = []
        for index in order:
            note, span = target.notes[index], note_spans[index]
            release = round(target.envelope.release_ms * self.format.rate / 1000.0)
            spare = max(min(span.end, span.off + release) - span.onset - length, 0)
            start = int(draws.random() * (spare + 1)) if draws.random() < 0.5 else 0
            fields = (span.onset, span.off, span.end, note.velocity / 127.0, float(note.pitch))
            rows.append((example, fields, start))
        return rows

    def training_losses(self, batch: Batch, progress: float) -> Iterator[OptimizerTurn]:
        config, rate = self.config, self.format.rate
        if config.equaliser_db:
            batch = self._equalised(batch)
        features = extract_features(batch.audio_BT, rate)
        # Reverberation and corruption are not to be reproduced: only the note encoder is trained with them.
        heard_BT = batch.audio_BT
        if config.reverb_probability:
            heard_BT = add_reverb(heard_BT, batch.room_BR, batch.room_key, rate)
        if config.corruption_probability:
            heard_BT = corrupt(heard_BT, batch.corruption_BC, batch.room_key + 1, rate)
        note_features = features if heard_BT is batch.audio_BT else extract_features(heard_BT, rate)
        losses = weighted(note_losses(self.encoder(note_features), batch.notes), config.note_weight)
        estimate = self.envelope_head(features.level_BL, batch.jittered)
        losses |= weighted(
            envelope_losses(estimate, batch.envelope, batch.jittered, rate), config.envelope_weight
        )

        cut_fade_ms = self.format.cut_fade_ms
        frames = divide_out_gain(features, batch.jittered, batch.envelope, rate, cut_fade_ms)
        profile = measure_profile(frames, batch.jittered, config, rate)
        views = self.timbre_encoder.views(frames, batch.jittered, rate)
        losses["consistency"] = config.consistency_weight * consistency_loss(views)
        vector_BKD = round_straight_through(views.whole_BKD)
        losses["octave"] = config.octave_weight * self.octave_head.loss(vector_BKD[:, 0], batch.octave_B)
        losses["transposition"] = config.transposition_weight * self.transposition.loss(
            profile, note_spectra(frames)[0], vector_BKD.detach(), batch.jittered
        )
        known = batch.class_B >= 0
        if known.any() and config.timbre_weight:
            logits = self.timbre_head(vector_BKD[known, 0])
            losses["timbre"] = config.timbre_weight * nn.functional.cross_entropy(
                logits, batch.class_B[known]
            )

        estimate_RT = self._decode_pieces(batch, profile, vector_BKD)
        spectral = spectral_losses(estimate_RT, batch.piece_RT, rate)
        losses["stft"] = config.spectral_weight * spectral["stft"]
        losses["mel"] = config.mel_weight * spectral["mel"]

        if progress >= config.adversarial_from and config.adversarial_weight > 0.0:
            real = self.discriminator(batch.piece_RT)
            fake = self.discriminator(estimate_RT.detach())
            yield OptimizerTurn("discriminator", {"discriminator": discriminator_loss(real, fake)})
            with torch.no_grad():
                real = self.discriminator(batch.piece_RT)
            fake = self.discriminator(estimate_RT)
            losses["generator"] = config.adversarial_weight * generator_loss(fake)
            losses["feature_matching"] = config.feature_matching_weight * feature_matching_loss(real, fake)
        yield OptimizerTurn("codec", losses)

    def _decode_pieces(self, batch: Batch, profile: Profile, vector_BKD: Tensor) -> Tensor:
        """Decodes the excerpts in their timbres and multiplies them by the true gain: float32 [R, T]."""
        samples = batch.piece_RT.shape[1]
        tone_RT = self.decoder(
            profile, vector_BKD, batch.timbre_R, batch.pieces.pitch_BN[:, 0], batch.start_R, samples
        )
        at = batch.pieces.onset_BN + batch.start_R[:, None] + torch.arange(samples, device=tone_RT.device)
        gain = clip_gain(batch.pieces, batch.piece_envelope, at, self.format.rate, self.format.cut_fade_ms)
        estimate_RT: Tensor = tone_RT * gain * batch.scale_R[:, None]
        return estimate_RT

    def use_tables(self, tables: Tables) -> None:
        if self.config.register_prior == "tables":
            self.octave_head.set_registers([octave_of(median_pitch(notes)) for notes in tables.phrases])

    def weights_of_older(self) -> dict[str, Tensor]:
        older = OctaveHead(self.config.timbre_dims)
        older.set_registers([0] * OLDER_PHRASES)
        weights = {f"octave_head.{name}": value for name, value in older.state_dict().items()}
        # Untrained, the transposition corrects nothing.
        own = {name: value for name, value in self.state_dict().items() if name.startswith("transposition.")}
        return weights | own

    def convert(self, request: ConversionRequest) -> Conversion:
        return conversion.convert(self, request)

    def describe(self, audio: Audio) -> Description:
        return description.describe(self, audio)

    def encode(self, audio: Audio) -> Factors:
        return conversion.encode(self, audio)

    def decode(self, factors: Factors) -> Conversion:
        return conversion.decode(self, factors)

    def timbre_blend(self, start: dict[str, Tensor], end: dict[str, Tensor]) -> Blend:
        return conversion.timbre_blend(self, start, end)


def weighted(losses: dict[str, Tensor], weight: float) -> dict[str, Tensor]:
    """Multiplies every loss by a weight."""
    return {name: weight * loss for name, loss in losses.items()}
