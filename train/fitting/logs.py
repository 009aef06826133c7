"""Writes a run's logs: losses, speed, and the scores, audio and spectrograms of validations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from train.audio.files import headroom
from train.audio.spectral import magnitudes
from train.fitting.validation import Validator
from train.systems.base import Audio

CONVERSIONS_PER_KIND = 1
"""Number of conversions of each kind that are written."""


class Logs:
    """Writes the logs of one run to all its loggers.

    Args:
        loggers: The loggers of `open_loggers`; none on all ranks but the first.
    """

    def __init__(self, loggers: Sequence[Logger]) -> None:
        self._loggers = loggers
        self._wrote_inputs = False

    def add_scalars(self, values: Mapping[str, Mapping[str, float]], step: int) -> None:
        """Writes values by group and name, as group/name.

        Example: `logs.add_scalars({"loss": {"stft": 1.2}}, step=10)` writes the scalar loss/stft.
        """
        flat = {f"{group}/{name}": value for group, named in values.items() for name, value in named.items()}
        for logger in self._loggers:
            logger.log_metrics(flat, step)

    def add_conversions(
        self, validator: Validator, conversions: Sequence[Audio], rate: int, step: int
    ) -> None:
        """Writes the first conversions of each kind as audio, with spectrograms of target and conversion.

        Args:
            validator: The validator, whose pairs have the source, reference and target of each conversion.
            conversions: Audio for each of these pairs, float32 [samples].
            rate: Sample rate in Hz.
            step: The step at which the conversions were made.

        Sources, references and targets do not change. They are written once. A CSV file holds no audio.
        """
        counts: dict[str, int] = {}
        for audio, converted in zip(validator.pairs, conversions, strict=True):
            kind = audio.pair.kind
            index = counts.get(kind, 0)
            if index >= CONVERSIONS_PER_KIND:
                continue
            counts[kind] = index + 1
            sounds = {"converted": converted}
            if not self._wrote_inputs:
                sounds |= {"source": audio.source, "reference": audio.reference, "target": audio.target}
            images = [spectrogram_image(torch.from_numpy(sound)) for sound in (audio.target, converted)]
            for name, sound in sounds.items():
                self._add_audio(f"{kind}/{index}/{name}", sound, rate, step)
            self._add_image(f"{kind}/{index}", torch.cat(images, dim=1), step)
        self._wrote_inputs = True

    def _add_audio(self, name: str, sound: Audio, rate: int, step: int) -> None:
        sound = sound * headroom(sound)
        for logger in self._loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_audio(name, torch.from_numpy(sound)[None], step, rate)
            elif hasattr(logger, "log_audio"):
                logger.log_audio(name, [sound], step, sample_rate=[rate])

    def _add_image(self, name: str, image_1HW: torch.Tensor, step: int) -> None:
        for logger in self._loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(name, image_1HW, step)
            elif hasattr(logger, "log_image"):
                logger.log_image(name, [(255.0 * image_1HW[0]).byte().numpy()], step)

    def close(self) -> None:
        """Writes what is pending, and closes the logs."""
        for logger in self._loggers:
            logger.finalize("success")
            if (finish := getattr(getattr(logger, "experiment", None), "finish", None)) is not None:
                # WandbLogger leaves its run open, which the next run of the process would then write to.
                finish()


def spectrogram_image(audio_T: torch.Tensor) -> torch.Tensor:
    """Draws audio [samples] as a grey spectrogram, float32 [1, bins, frames] in 0..1.

    Black is -80 dB, white a full-scale sine. Low frequencies are at the bottom.
    """
    level = 20.0 * (magnitudes(audio_T[None], 1024, 512)[0] / 256.0).log10()
    return (1.0 + level / 80.0).clamp(0.0, 1.0).T.flip(0)[None]
