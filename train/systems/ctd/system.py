"""CTD as a system: batches, the losses of each stage, and conversion.

Shape suffixes: B clips, A clips of the autoencoder, T samples, D latent channels, F latent frames, S numbers
of a condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from manifests.dataset.bank import Bank
from manifests.splits.seeds import stream
from manifests.synthesis.compose import FULL_SCALE
from train.data.clips import read_clips
from train.data.examples import Example, ExampleKind
from train.data.tables import Tables
from train.nn.discriminator import Discriminator, feature_matching_loss
from train.nn.losses import mel_distances
from train.systems.base import Audio, Conversion, ConversionRequest, Format, OptimizerTurn, System
from train.systems.ctd.autoencoder import Autoencoder
from train.systems.ctd.batch import Batch
from train.systems.ctd.conditions import NO_CONDITION, Adversary, StructureEncoder, TimbreEncoder
from train.systems.ctd.config import CTDConfig
from train.systems.ctd.cqt import cqt_power
from train.systems.ctd.diffusion import (
    Guidance,
    denoise,
    denoising_loss,
    draw_sigma,
    guided_denoiser,
    heun_sample,
    sampler_noise,
    sampling_sigmas,
)
from train.systems.ctd.latents import LatentStore, weights_digest
from train.systems.ctd.losses import (
    hinge_discriminator_loss,
    hinge_generator_loss,
    multiband_distance,
    range_loss,
)
from train.systems.ctd.stages import Stage, stage_at
from train.systems.ctd.unet import UNet
from train.systems.peak import normalise_peak, peak_ratio

BANK_CLIPS = 64
"""Clips of a tone bank from which the latents' standard deviation is measured."""
DISCRIMINATOR_WINDOWS = (2048, 1024, 512, 256)
"""STFT windows of the discriminators, in samples."""


class CTD(System):
    """A diffusion of an autoencoder's latents, conditioned on structure frames and one timbre vector.

    Example::

        system = build("ctd", CTDConfig(), Format(44_100, 3.0, ()))
    """

    name = "ctd"
    by_number = False
    kinds: ClassVar[Sequence[ExampleKind]] = ("both",)

    def __init__(self, config: CTDConfig, format: Format) -> None:
        super().__init__()
        self.config = config
        self.format = format
        self.autoencoder = Autoencoder(config)
        self.discriminator = Discriminator(DISCRIMINATOR_WINDOWS, config.discriminator_channels)
        self.timbre = TimbreEncoder(config)
        self.structure = StructureEncoder(config)
        self.adversary = Adversary(config)
        self.unet = UNet(config)
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("turn", torch.full((), -1))
        self.register_buffer("counted", torch.full((), -1.0, dtype=torch.float64))
        self.store: LatentStore | None = None
        self.prepared = False

    spread: Tensor
    """Standard deviation of the latents; the diffusion is trained on latents scaled to `sigma_data`."""
    turn: Tensor
    """Number of the diffusion's step, from 0; every third step trains the adversary. A key of the state dict.
    """
    counted: Tensor
    """Progress at that step. A key of the state dict."""

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        diffusion = (self.timbre, self.structure, self.unet)
        return {
            "autoencoder": list(self.autoencoder.parameters()),
            "discriminator": list(self.discriminator.parameters()),
            "diffusion": [parameter for module in diffusion for parameter in module.parameters()],
            "adversary": list(self.adversary.parameters()),
        }

    def needs_preparation(self, progress: float) -> bool:
        """Whether the diffusion begins, and its latents are not made yet."""
        return not self.prepared and not stage_at(progress, self.config).autoencoder

    @torch.no_grad()
    def prepare(self, progress: float, tables: Tables, folder: Path) -> bool:
        """Makes the latents of all train clips in `folder`/latents when the diffusion's part begins.

        Clips of a tone bank are new ones all the time: their latents are made batch by batch instead.
        """
        if not self.needs_preparation(progress):
            return False
        if isinstance(tables.layout, Bank):
            keys = [id.key for block in tables.blocks("train") for id in block.ids()][:BANK_CLIPS]
            clips = np.stack(list(read_clips(tables.layout, keys).values()))
            spread = float(self._encode_clips(torch.from_numpy(clips)).float().std())
        else:
            # Latents depend on the weights and on the padding of clips.
            encoder = f"{weights_digest(self.autoencoder.encoder)} {self._padding_unit}"
            self.store = LatentStore(tables, folder / "latents", encoder, self._encode_clips)
            spread = self.store.spread()
        self.spread.fill_(max(spread, 1e-4))
        self.prepared = True
        return self.store is not None

    def _encode_clips(self, clips_BT: Tensor) -> Tensor:
        """Encodes clips, int16 [B, T], as float16 latents; each alone, so that no other clip affects them."""
        rows = [
            self.autoencoder.encode(self._pad_clips(clip[None].to(self.spread.device) / FULL_SCALE))
            for clip in clips_BT
        ]
        return torch.cat(rows).half()

    def _pad_clips(self, audio_BT: Tensor) -> Tensor:
        """Pads clips with silence to whole frames of the UNet's deepest level."""
        return F.pad(audio_BT, (0, -audio_BT.shape[1] % self._padding_unit))

    @property
    def _padding_unit(self) -> int:
        """Samples of a frame at the UNet's deepest level."""
        return self.config.hop * self.config.ratio

    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> Batch:
        """Takes the timbre from a partner of the same timbre and envelope and another phrase.

        Within one clip, the crops that give target and timbre would be the same.
        """
        targets = torch.from_numpy(np.stack([example.target.audio for example in examples]))
        spare = max(targets.shape[1] - self._crop_samples(targets.shape[1]), 0)
        draws = [stream(example.seed, "crop").random() for example in examples]
        start = torch.tensor([int(u * (spare + 1)) for u in draws[: self.config.autoencoder_batch]])
        seed, store = examples[0].seed, self.store
        if store is None:
            partners = torch.from_numpy(np.stack([example.envelope.audio for example in examples]))
            return Batch(targets, start, partners, None, None, seed)
        latents = torch.stack([store.latents(example.target.id) for example in examples])
        partner_latents = torch.stack([store.latents(example.envelope.id) for example in examples])
        return Batch(targets, start, None, latents, partner_latents, seed)

    def _crop_samples(self, samples: int) -> int:
        """Samples of a crop: whole latent frames, at most a clip."""
        frames = max(1, round(self.config.crop_seconds * self.format.rate / self.config.hop))
        return min(frames, max(1, samples // self.config.hop)) * self.config.hop

    def training_losses(self, batch: Batch, progress: float) -> Iterator[OptimizerTurn]:
        stage = stage_at(progress, self.config)
        generator = torch.Generator(batch.target_BT.device).manual_seed(batch.seed % 2**63)
        if stage.autoencoder:
            yield from self._autoencoder_turns(batch, stage, generator)
            return
        # All parts of a step have the same progress and count as one diffusion step.
        if progress != float(self.counted):
            self.counted.fill_(progress)
            self.turn += 1
        yield self._diffusion_turn(batch, stage, generator)

    def _crops(self, batch: Batch) -> Tensor:
        samples = self._crop_samples(batch.target_BT.shape[1])
        rows = [
            clip[start : start + samples] / FULL_SCALE
            for clip, start in zip(batch.target_BT, batch.start_A.tolist(), strict=False)
        ]
        return F.pad(torch.stack(rows), (0, samples - len(rows[0])))

    def _autoencoder_turns(
        self, batch: Batch, stage: Stage, generator: torch.Generator
    ) -> Iterator[OptimizerTurn]:
        config, model, target_BT = self.config, self.autoencoder, self._crops(batch)
        bands = model.bank.analyse(target_BT)
        with torch.set_grad_enabled(stage.trains_encoder):
            latents = model.encoder(bands)
        decoded_bands = model.decoder(latents, generator)
        estimate_BT = model.bank.synthesise(decoded_bands)
        losses = {
            "mel": config.mel_weight * mel_distances(estimate_BT, target_BT, self.format.rate).mean(),
            "multiband": config.multiband_weight * multiband_distance(decoded_bands, bands),
        }
        if stage.trains_encoder:
            losses["range"] = config.range_weight * range_loss(latents)
        if stage.adversarial and config.adversarial_weight > 0.0:
            output = self.discriminator(torch.cat([target_BT, estimate_BT.detach()]))
            yield OptimizerTurn(
                "discriminator", {"discriminator": hinge_discriminator_loss(*output.halves())}
            )
            with torch.no_grad():
                real = self.discriminator(target_BT)
            fake = self.discriminator(estimate_BT)
            losses["generator"] = config.adversarial_weight * hinge_generator_loss(fake)
            losses["feature_matching"] = config.feature_matching_weight * feature_matching_loss(real, fake)
        yield OptimizerTurn("autoencoder", losses)

    def _diffusion_turn(self, batch: Batch, stage: Stage, generator: torch.Generator) -> OptimizerTurn:
        config, scale = self.config, self.config.sigma_data / self.spread
        latents, partners = self._latents_of(batch)
        clean, count = latents * scale, len(latents)
        timbre = self.timbre(partners * scale)
        structure = self._structure(self._pad_clips(batch.target_BT / FULL_SCALE))
        if stage.confusion is not None and int(self.turn) % config.adversary_every == 0:
            guess = self.adversary(structure.detach())
            return OptimizerTurn(
                "adversary", {"adversary": F.mse_loss(guess.float(), timbre.detach().float())}
            )

        dropped = torch.rand(2, count, generator=generator, device=clean.device)
        no_timbre = dropped[0] < config.timbre_dropout
        # Guidance adds the timbre, then structure, so structure is never given without the timbre.
        no_structure = (dropped[1] < config.structure_dropout) | no_timbre | (not stage.uses_structure)
        given_timbre = torch.where(no_timbre[:, None], NO_CONDITION, timbre)
        given_structure = torch.where(no_structure[:, None, None], NO_CONDITION, structure)
        sigma = draw_sigma(count, config, generator)
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        denoised = self._denoise(clean + noise * sigma[:, None, None], sigma, given_timbre, given_structure)
        losses = {"denoising": denoising_loss(denoised, clean, sigma, config.sigma_data)}
        if stage.confusion is not None:
            error = F.mse_loss(self.adversary(structure).float(), timbre.detach().float())
            losses["confusion"] = -stage.confusion * error
        return OptimizerTurn("diffusion", losses)

    @torch.no_grad()
    def _latents_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns the latents of targets and partners, float32 [B, latent, F] each."""
        if batch.latents_BDF is not None and batch.partner_BDF is not None:
            return batch.latents_BDF, batch.partner_BDF
        assert batch.partner_BT is not None
        return (
            self._encode_clips(batch.target_BT).float(),
            self._encode_clips(batch.partner_BT).float(),
        )

    def _structure(self, audio_BT: Tensor) -> Tensor:
        """Computes structure [B, condition, F] of audio [B, T], T a multiple of the hop."""
        structure: Tensor = self.structure(cqt_power(audio_BT, self.config.hop, self.format.rate))
        return structure

    def _denoise(self, x: Tensor, sigma_B: Tensor, timbre_BS: Tensor, structure_BSF: Tensor) -> Tensor:
        def network(scaled: Tensor, label_B: Tensor) -> Tensor:
            out: Tensor = self.unet(scaled, label_B, timbre_BS, structure_BSF)
            return out

        return denoise(network, x, sigma_B, self.config.sigma_data)

    def convert(self, request: ConversionRequest) -> Conversion:
        """Converts with the reference's timbre vector: timbre and envelope are taken together, or neither.

        Raises InputError if the request gives numbers.
        """
        self.refuse_numbers(request)
        config, scale = self.config, self.config.sigma_data / self.spread
        audio = self._normalised(request.source)
        timbre_audio = audio
        if request.reference is not None and request.take:
            timbre_audio = self._normalised(request.reference)
        timbre = self.timbre(self.autoencoder.encode(timbre_audio) * scale)
        structure = self._structure(audio)
        shape = (1, config.latent, structure.shape[2])
        noise = sampler_noise(shape).to(audio.device)
        guidance = Guidance(config.timbre_guidance, config.structure_guidance)
        latents = heun_sample(
            guided_denoiser(self._denoise, timbre, structure, guidance), noise, sampling_sigmas(config)
        )
        return Conversion(self._decode_audio(latents / scale, len(request.source)), None, None, None)

    def oracle(self, audio: Audio) -> Audio:
        """Passes a recording through the autoencoder alone, at its level: a bound for the diffusion."""
        latents = self.autoencoder.encode(self._normalised(audio))
        return self._decode_audio(latents, len(audio)) * peak_ratio(audio)

    def _normalised(self, audio: Audio) -> Tensor:
        """Scales a recording to -1 dBFS and pads it to whole frames, float32 [1, T]."""
        return self._pad_clips(normalise_peak(audio).to(self.spread.device))

    def _decode_audio(self, latents_1DF: Tensor, samples: int) -> Audio:
        """Decodes latents [1, latent, F] to audio, float32 [samples]."""
        generator = torch.Generator(latents_1DF.device).manual_seed(0)
        audio = self.autoencoder.decode(latents_1DF, generator)[0, :samples]
        return np.asarray(audio.float().cpu().numpy(), dtype=np.float32)
