"""The codec with one part replaced and true notes given, in training and in conversion.

The note encoder is not trained: variants are compared by how well they synthesise known notes. The codec
itself, trained on the same examples, is scored beside them. Everything else is the codec's: examples,
excerpts, profile, timbre encoder, envelope head and losses. There is no GAN.

Shapes: B clips, N notes, K vectors of a timbre, D dimensions, L points of a level curve, R rows (one excerpt
of a note each), F frames, T samples of an excerpt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.ablated.codes import CodeEncoder, CodeSequence, codes_at
from benchmarks.ablated.config import AblatedConfig
from benchmarks.ablated.decoders import DECODERS, NoteRows, frame_count, frame_starts
from benchmarks.ablated.latent_gain import LatentGain
from train.audio.spectral import level_curve
from train.data.examples import Example
from train.nn.gain import EnvelopeBatch, NoteBatch, clip_gain, note_batch
from train.nn.losses import spectral_losses
from train.systems.base import Audio, Format, OptimizerTurn
from train.systems.triptych.batch import Batch
from train.systems.triptych.hearing.envelope_fit import fit_envelopes
from train.systems.triptych.networks.envelope_head import envelope_losses, from_units
from train.systems.triptych.networks.features import LEVEL_HOP, extract_features
from train.systems.triptych.networks.timbre import Profile, divide_out_gain, measure_profile
from train.systems.triptych.networks.timbre_encoder import consistency_loss, round_straight_through
from train.systems.triptych.playing.loudness import loudest_rms
from train.systems.triptych.system import Triptych, weighted

ClipTensors = TypeVar("ClipTensors", NoteBatch, EnvelopeBatch)


class AblationBatch(NamedTuple):
    """The codec's batch, and where its rows take content and envelope from.

    Attributes:
        batch: the codec's own batch.
        content_R: index of the clip that gives a row its content, int64.
        envelope_R: index of the clip that gives it its envelope, int64.
        octave_R: octaves from the content's clip to the target, float32.
    """

    batch: Batch
    content_R: Tensor
    envelope_R: Tensor
    octave_R: Tensor

    def to(self, device: torch.device) -> AblationBatch:
        """Returns the batch on another device."""
        return AblationBatch(*(part.to(device) for part in self))  # type: ignore[arg-type]


class ClipAnalysis(NamedTuple):
    """What a batch's clips are analysed as, and which of it each row uses.

    Attributes:
        profile: profiles of the clips that give timbres.
        vector_BKD: their timbre vectors, float32.
        consistency: the loss of agreement between halves of a clip, a scalar.
        timbre_R: index into them, int64.
        codes: codes of the clips that give content, or None for a variant without codes.
        content_R: index into them, int64.
        level_BL: level curves of the clips that give envelopes, float32.
        notes: notes of those clips.
        envelope: true envelopes of those clips.
        envelope_R: index into them, int64.
    """

    profile: Profile
    vector_BKD: Tensor
    consistency: Tensor
    timbre_R: Tensor
    codes: CodeSequence | None
    content_R: Tensor
    level_BL: Tensor
    notes: NoteBatch
    envelope: EnvelopeBatch
    envelope_R: Tensor


class AblatedCodec(Triptych):
    """The codec with one part replaced, which synthesises given notes. Registered as system `ablated`."""

    name = "ablated"
    config: AblatedConfig

    def __init__(self, config: AblatedConfig, format: Format) -> None:
        super().__init__(config, format)
        # Variants play oscillators, so there are no tones whose levels could be corrected.
        del self.transposition
        self.decoder = DECODERS[config.decoder](config, format.rate)
        self.coder = CodeEncoder(config) if config.content != "notes" else None
        self.octave_input = nn.Linear(1, config.code_width) if config.content != "notes" else None
        self.latent_gain = (
            LatentGain(config.envelope_width, format.rate, format.cut_fade_ms)
            if config.gain == "latent"
            else None
        )

    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> AblationBatch:  # type: ignore[override]
        index_of: dict[str, int] = {}
        for example in examples:
            for clip in (example.content, example.timbre, example.envelope):
                index_of.setdefault(clip.id.key, len(index_of))
        rows = [example for example in examples for _ in self._pieces(example)]
        return AblationBatch(
            super().collate(examples, classes),
            torch.tensor([index_of[example.content.id.key] for example in rows]),
            torch.tensor([index_of[example.envelope.id.key] for example in rows]),
            torch.tensor([octave_shift(example) for example in rows]),
        )

    def training_losses(self, batch: AblationBatch, progress: float) -> Iterator[OptimizerTurn]:  # type: ignore[override]
        own, rate = batch.batch, self.format.rate
        analysis = self.analyse(batch)
        estimate = self.envelope_head(analysis.level_BL, analysis.notes)
        losses = envelope_losses(estimate, analysis.envelope, analysis.notes, rate)
        losses = weighted(losses, self.config.envelope_weight)
        losses["consistency"] = self.config.consistency_weight * analysis.consistency
        if analysis.codes is not None:
            losses |= analysis.codes.losses
        classes_B = own.class_B[torch.unique(own.timbre_R)]
        known = classes_B >= 0
        if known.any():
            logits = self.timbre_head(analysis.vector_BKD[known, 0])
            classification = nn.functional.cross_entropy(logits, classes_B[known])
            losses["timbre"] = self.config.timbre_weight * classification

        samples = own.piece_RT.shape[1]
        tone_RT = self.decode_tones(analysis, own.pieces, own.start_R, batch.octave_R, samples)
        gain_RT = self.note_gains(analysis, own.pieces, own.piece_envelope, own.start_R, samples)
        estimate_RT = tone_RT * gain_RT * own.scale_R[:, None]
        spectral = spectral_losses(estimate_RT, own.piece_RT, rate)
        losses["stft"] = self.config.spectral_weight * spectral["stft"]
        losses["mel"] = self.config.mel_weight * spectral["mel"]
        yield OptimizerTurn("codec", losses)

    def analyse(self, batch: AblationBatch) -> ClipAnalysis:
        """Analyses the batch's clips with their true envelopes and their jittered notes (see `jitter_ms`)."""
        own, config, rate, cut = batch.batch, self.config, self.format.rate, self.format.cut_fade_ms
        timbres, timbre_R = torch.unique(own.timbre_R, return_inverse=True)
        notes, envelope = select_clips(own.jittered, timbres), select_clips(own.envelope, timbres)
        features = extract_features(own.audio_BT[timbres], rate)
        normalized = divide_out_gain(features, notes, envelope, rate, cut)
        profile = measure_profile(normalized, notes, config, rate)
        views = self.timbre_encoder.views(normalized, notes, rate)
        codes, content_R = None, batch.content_R
        if self.coder is not None:
            contents, content_R = torch.unique(batch.content_R, return_inverse=True)
            content_features = extract_features(own.audio_BT[contents], rate)
            codes = self.coder(content_features, select_clips(own.notes, contents))
        shaping, envelope_R = torch.unique(batch.envelope_R, return_inverse=True)
        level_BL = level_curve(own.audio_BT[shaping], LEVEL_HOP, 2)
        return ClipAnalysis(
            profile,
            round_straight_through(views.whole_BKD),
            consistency_loss(views),
            timbre_R,
            codes,
            content_R,
            level_BL,
            select_clips(own.jittered, shaping),
            select_clips(own.envelope, shaping),
            envelope_R,
        )

    def decode_tones(
        self, analysis: ClipAnalysis, pieces: NoteBatch, start_R: Tensor, octave_R: Tensor, samples: int
    ) -> Tensor:
        """Decodes the dry tones of rows from sample `start_R` of each: float32 [R, samples].

        `pieces` has one note in each row.
        """
        code_RFD = None
        if analysis.codes is not None:
            assert self.octave_input is not None
            at_RF = pieces.onset_BN + frame_starts(start_R, frame_count(samples))
            code_RFD = codes_at(analysis.codes.vector_BGD, analysis.content_R, at_RF)
            code_RFD = code_RFD + self.octave_input(octave_R[:, None])[:, None]
        rows = NoteRows(analysis.timbre_R, pieces.pitch_BN[:, 0], start_R, code_RFD)
        tone_RT: Tensor = self.decoder(analysis.profile, analysis.vector_BKD, rows, samples)
        return tone_RT

    def note_gains(
        self,
        analysis: ClipAnalysis,
        pieces: NoteBatch,
        envelope: EnvelopeBatch,
        start_R: Tensor,
        samples: int,
    ) -> Tensor:
        """Computes the gain of rows: float32 [R, samples].

        It is the closed form of `envelope`, or the variant's learned gain of the level that gives the
        envelope.
        """
        if self.latent_gain is not None:
            latent_BP = self.latent_gain.latent(analysis.level_BL, analysis.notes)
            gain_RT: Tensor = self.latent_gain(latent_BP[analysis.envelope_R], pieces, start_R, samples)
            return gain_RT
        at = pieces.onset_BN + start_R[:, None] + torch.arange(samples, device=start_R.device)
        return clip_gain(pieces, envelope, at, self.format.rate, self.format.cut_fade_ms)

    @torch.no_grad()
    def convert_with_true_notes(self, example: Example, estimate_envelope: bool) -> Audio:
        """Synthesises the target's notes in the timbre and envelope of the example's clips: float32 [frames].

        With `estimate_envelope` the envelope is estimated from level and true notes, as the codec does it;
        otherwise it is the true one. The loudness is that of the timbre's clip, as in `playing.synthesis`.
        """
        rate, cut, samples = self.format.rate, self.format.cut_fade_ms, len(example.target.audio)
        batch = self.collate([example], {})
        analysis = self.analyse(batch._replace(batch=batch.batch._replace(jittered=batch.batch.notes)))
        notes = NoteBatch(*(part.T for part in note_batch([example.target.notes], rate, samples)))
        count = len(notes.onset_BN)
        row = torch.zeros(count, dtype=torch.long)
        analysis = analysis._replace(timbre_R=row, content_R=row, envelope_R=row)
        envelope = analysis.envelope
        if estimate_envelope:
            initial = self.envelope_head(analysis.level_BL, analysis.notes).clip_BP
            envelope = from_units(
                fit_envelopes(analysis.level_BL, analysis.notes, initial, rate, cut).units_BP
            )
        longest = int((notes.end_BN - notes.onset_BN).max())
        start_R = torch.zeros(count)
        octave_R = torch.full((count,), octave_shift(example))
        gain_RT = self.note_gains(analysis, notes, select_clips(envelope, row), start_R, longest)
        note_RT = gain_RT * self.decode_tones(analysis, notes, start_R, octave_R, longest)
        mix = torch.zeros(samples + longest)
        for onset, note in zip(notes.onset_BN[:, 0].long().tolist(), note_RT, strict=True):
            mix[onset : onset + longest] += note
        sound: Audio = mix[:samples].numpy()
        return sound * np.float32(float(analysis.profile.level_B[0]) / max(loudest_rms(sound), 1e-9))


def select_clips(batch: ClipTensors, index: Tensor) -> ClipTensors:
    """Returns the notes or envelopes of the clips with these indices, int64 [B]."""
    return type(batch)(*(None if tensor is None else tensor[index] for tensor in batch))  # type: ignore[arg-type]


def octave_shift(example: Example) -> float:
    """Returns by how many octaves the target sounds above the clip that gives its content."""
    return (example.target.notes[0].pitch - example.content.notes[0].pitch) / 12.0
