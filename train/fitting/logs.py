"""Writes a run's TensorBoard logs: losses, speed, and the scores, audio and spectrograms of validations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from train.audio.files import headroom
from train.audio.spectral import magnitudes
from train.fitting.validation import Validator
from train.systems.base import Audio

CONVERSIONS_PER_KIND = 1
"""Number of conversions of each kind that are written."""


class Logs:
    """A TensorBoard writer for one run.

    Args:
        folder: Folder of the event files. None writes nothing, as on all ranks but the first.
        from_step: Step from which the run goes on. Later events of an interrupted run are hidden.
    """

    def __init__(self, folder: Path | None, from_step: int = 0) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=from_step) if folder is not None else None
        self._wrote_inputs = False

    def add_scalars(self, group: str, values: dict[str, float], step: int) -> None:
        """Writes values by name, as `group`/name.

        Example: `logs.add_scalars("loss", {"stft": 1.2}, step=10)` writes the scalar loss/stft.
        """
        for name, value in values.items():
            if self._writer is not None:
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def add_conversions(
        self, validator: Validator, conversions: Sequence[Audio], rate: int, step: int
    ) -> None:
        """Writes the first conversions of each kind as audio, with spectrograms of target and conversion.

        Args:
            validator: The validator, whose pairs have the source, reference and target of each conversion.
            conversions: Audio for each of these pairs, float32 [samples].
            rate: Sample rate in Hz.
            step: The step at which the conversions were made.

        Sources, references and targets do not change. They are written once.
        """
        counts: dict[str, int] = {}
        for audio, converted in zip(validator.pairs, conversions, strict=True):
            kind = audio.pair.kind
            index = counts.get(kind, 0)
            if self._writer is None or index >= CONVERSIONS_PER_KIND:
                continue
            counts[kind] = index + 1
            sounds = {"converted": converted}
            if not self._wrote_inputs:
                sounds |= {"source": audio.source, "reference": audio.reference, "target": audio.target}
            for name, sound in sounds.items():
                tensor = torch.from_numpy(sound)[None] * headroom(sound)
                self._writer.add_audio(f"{kind}/{index}/{name}", tensor, step, rate)
            images = [spectrogram_image(torch.from_numpy(sound)) for sound in (audio.target, converted)]
            self._writer.add_image(f"{kind}/{index}", torch.cat(images, dim=1), step)
        self._wrote_inputs = True

    def close(self) -> None:
        """Writes what is pending, and closes the files."""
        if self._writer is not None:
            self._writer.close()


def spectrogram_image(audio_T: torch.Tensor) -> torch.Tensor:
    """Draws audio [samples] as a grey spectrogram, float32 [1, bins, frames] in 0..1.

    Black is -80 dB, white a full-scale sine. Low frequencies are at the bottom.
    """
    level = 20.0 * (magnitudes(audio_T[None], 1024, 512)[0] / 256.0).log10()
    return (1.0 + level / 80.0).clamp(0.0, 1.0).T.flip(0)[None]
