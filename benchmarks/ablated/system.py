"""The codec with another part in place of one of its own, and true notes given, in training and after.

Nothing of the note encoder is trained: what is asked is how well notes that are known can be played. Its
trained twin is the codec itself on the same examples. All else is Triptych's: examples, pieces, measuring,
timbre encoder, envelope head, losses. No GAN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from benchmarks.ablated.codes import Coded, Coder, read_at
from benchmarks.ablated.config import AblatedConfig
from benchmarks.ablated.decoders import DECODERS, Rows, frame_starts, frames_of
from benchmarks.ablated.latent_gain import LatentGain
from train.audio.spectral import level_curve
from train.data.examples import Example
from train.nn.gain import EnvelopeBatch, NoteBatch, clip_gain, note_batch
from train.nn.losses import spectral_losses
from train.systems.base import Audio, Format, OptimizerTurn
from train.systems.triptych.inference.envelope_fit import fit_envelopes
from train.systems.triptych.networks.envelope_head import envelope_losses, from_units
from train.systems.triptych.networks.features import LEVEL_HOP, extract_features
from train.systems.triptych.networks.timbre import TONE_RMS, Profile, divide_out_gain, measure_profile
from train.systems.triptych.networks.timbre_encoder import consistency_loss, round_straight_through
from train.systems.triptych.system import Batch, Triptych, weighted

OfClips = TypeVar("OfClips", NoteBatch, EnvelopeBatch)


class Givers(NamedTuple):
    """A batch, and which of its input clips gives each row its content and its envelope; `octave_R` says how
    many octaves the content is moved for the row's timbre."""

    batch: Batch
    content_R: Tensor
    envelope_R: Tensor
    octave_R: Tensor

    def to(self, device: torch.device) -> Givers:
        return Givers(*(part.to(device) for part in self))  # type: ignore[arg-type]


class Heard(NamedTuple):
    """What is read in a batch's clips: profiles and vectors of those that give rows their timbre, codes of
    those that give content, levels of those that give envelopes (with their notes and true envelopes); and
    which of them each row has."""

    profile: Profile
    vector_BKD: Tensor
    consistency: Tensor
    timbre_R: Tensor
    coded: Coded | None
    content_R: Tensor
    level_BL: Tensor
    notes: NoteBatch
    envelope: EnvelopeBatch
    envelope_R: Tensor


class Ablated(Triptych):
    """The codec, one part exchanged, that plays notes it is given."""

    name = "ablated"
    config: AblatedConfig

    def __init__(self, config: AblatedConfig, format: Format) -> None:
        super().__init__(config, format)
        self.decoder = DECODERS[config.decoder](config, format.rate)
        self.coder = Coder(config) if config.content != "notes" else None
        self.octaves = nn.Linear(1, config.code_width) if config.content != "notes" else None
        self.latent_gain = (
            LatentGain(config.envelope_width, format.rate, format.cut_fade_ms)
            if config.gain == "latent"
            else None
        )

    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> Givers:  # type: ignore[override]
        places: dict[str, int] = {}
        for example in examples:
            for clip in (example.content, example.timbre, example.envelope):
                places.setdefault(clip.id.key, len(places))
        rows = [example for example in examples for _ in self._pieces(example)]
        return Givers(
            super().collate(examples, classes),
            torch.tensor([places[example.content.id.key] for example in rows]),
            torch.tensor([places[example.envelope.id.key] for example in rows]),
            torch.tensor([octaves_up(example) for example in rows]),
        )

    def training_losses(self, batch: Givers, progress: float) -> Iterator[OptimizerTurn]:  # type: ignore[override]
        of, rate = batch.batch, self.format.rate
        heard = self.hear(batch)
        guess = self.envelope_head(heard.level_BL, heard.notes)
        losses = envelope_losses(guess, heard.envelope, heard.notes, rate)
        losses = weighted(losses, self.config.envelope_weight)
        losses["consistency"] = self.config.consistency_weight * heard.consistency
        if heard.coded is not None:
            losses |= heard.coded.losses
        classes_B = of.class_B[torch.unique(of.timbre_R)]
        known = classes_B >= 0
        if known.any():
            said = nn.functional.cross_entropy(self.timbre_head(heard.vector_BKD[known, 0]), classes_B[known])
            losses["timbre"] = self.config.timbre_weight * said

        samples = of.piece_RT.shape[1]
        dry_RT = self.dry(heard, of.pieces, of.start_R, batch.octave_R, samples)
        gain_RT = self.gain(heard, of.pieces, of.piece_envelope, of.start_R, samples)
        estimate_RT = dry_RT * gain_RT * of.scale_R[:, None]
        spectral = spectral_losses(estimate_RT, of.piece_RT, rate)
        losses["stft"] = self.config.spectral_weight * spectral["stft"]
        losses["mel"] = self.config.mel_weight * spectral["mel"]
        yield OptimizerTurn("codec", losses)

    def hear(self, batch: Givers) -> Heard:
        """Clips read by their true envelopes and their notes, moved as in training (see `jitter_ms`)."""
        of, config, rate, cut = batch.batch, self.config, self.format.rate, self.format.cut_fade_ms
        timbres, timbre_R = torch.unique(of.timbre_R, return_inverse=True)
        notes, envelope = pick(of.jittered, timbres), pick(of.envelope, timbres)
        seen = extract_features(of.audio_BT[timbres], rate)
        normalized = divide_out_gain(seen, notes, envelope, rate, cut)
        profile = measure_profile(normalized, notes, config, rate)
        views = self.timbre_encoder.views(normalized, notes, rate)
        coded, content_R = None, batch.content_R
        if self.coder is not None:
            contents, content_R = torch.unique(batch.content_R, return_inverse=True)
            coded = self.coder(extract_features(of.audio_BT[contents], rate), pick(of.notes, contents))
        shaping, envelope_R = torch.unique(batch.envelope_R, return_inverse=True)
        level_BL = level_curve(of.audio_BT[shaping], LEVEL_HOP, 2)
        return Heard(
            profile, round_straight_through(views.whole_BKD), consistency_loss(views), timbre_R, coded,
            content_R, level_BL, pick(of.jittered, shaping), pick(of.envelope, shaping), envelope_R,
        )  # fmt: skip

    def dry(self, heard: Heard, pieces: NoteBatch, start_R: Tensor, octave_R: Tensor, samples: int) -> Tensor:
        """The tones of rows (clips of one note) from sample `start_R` of each on, [R, samples]."""
        codes = None
        if heard.coded is not None:
            assert self.octaves is not None
            at_RF = pieces.onset_BN + frame_starts(start_R, frames_of(samples))
            codes = read_at(heard.coded.vector_BGD, heard.content_R, at_RF)
            codes = codes + self.octaves(octave_R[:, None])[:, None]
        rows = Rows(heard.timbre_R, pieces.pitch_BN[:, 0], start_R, codes)
        dry_RT: Tensor = self.decoder(heard.profile, heard.vector_BKD, rows, samples)
        return dry_RT

    def gain(
        self, heard: Heard, pieces: NoteBatch, envelope: EnvelopeBatch, start_R: Tensor, samples: int
    ) -> Tensor:
        """The gain of rows, [R, samples]: by their `envelope`, or by what is learned of the giver's level."""
        if self.latent_gain is not None:
            latent_BP = self.latent_gain.latent(heard.level_BL, heard.notes)
            gain_RT: Tensor = self.latent_gain(latent_BP[heard.envelope_R], pieces, start_R, samples)
            return gain_RT
        at = pieces.onset_BN + start_R[:, None] + torch.arange(samples, device=start_R.device)
        return clip_gain(pieces, envelope, at, self.format.rate, self.format.cut_fade_ms)

    @torch.no_grad()
    def sing(self, example: Example, by_ear: bool) -> Audio:
        """The target's notes in the timbre and envelope of the others' clips: float32 [n].

        The envelope's numbers are the true ones, or heard in its giver's level and notes (`by_ear`), as the
        codec hears them. As loud as the timbre's clip, as in `inference.synthesis`.
        """
        rate, cut, samples = self.format.rate, self.format.cut_fade_ms, len(example.target.audio)
        batch = self.collate([example], {})
        heard = self.hear(batch._replace(batch=batch.batch._replace(jittered=batch.batch.notes)))
        notes = NoteBatch(*(part.T for part in note_batch([example.target.notes], rate, samples)))
        count = len(notes.onset_BN)
        row = torch.zeros(count, dtype=torch.long)
        heard = heard._replace(timbre_R=row, content_R=row, envelope_R=row)
        envelope = heard.envelope
        if by_ear:
            guess = self.envelope_head(heard.level_BL, heard.notes).clip_BP
            envelope = from_units(fit_envelopes(heard.level_BL, heard.notes, guess, rate, cut).units_BP)
        longest = int((notes.end_BN - notes.onset_BN).max())
        start_R = torch.zeros(count)
        octave_R = torch.full((count,), octaves_up(example))
        gain_RT = self.gain(heard, notes, pick(envelope, row), start_R, longest)
        sound_RT = gain_RT * self.dry(heard, notes, start_R, octave_R, longest)
        whole = torch.zeros(samples + longest)
        for onset, sound in zip(notes.onset_BN[:, 0].long().tolist(), sound_RT, strict=True):
            whole[onset : onset + longest] += sound
        factor = heard.profile.level_B[0] / (TONE_RMS * gain_RT.amax().clamp(min=1e-6))
        audio: Audio = (whole[:samples] * factor).numpy()
        return audio


def pick(batch: OfClips, index: Tensor) -> OfClips:
    """The notes or the envelopes of some clips."""
    return type(batch)(*(tensor[index] for tensor in batch))


def octaves_up(example: Example) -> float:
    """How many octaves the target sounds above the clip that its content comes from."""
    return (example.target.notes[0].pitch - example.content.notes[0].pitch) / 12.0
