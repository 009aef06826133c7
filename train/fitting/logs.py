"""What a run leaves in TensorBoard: losses, rates, and at each validation scores, sounds and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from train.audio.files import headroom
from train.audio.spectral import magnitudes
from train.fitting.validation import Judge
from train.systems.base import Audio

SHOWN = 1
"""Conversions of each kind that are written."""


class Logs:
    """A TensorBoard writer that is told numbers by name; `None` as folder: writes nothing."""

    def __init__(self, folder: Path | None, from_step: int = 0) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=from_step) if folder is not None else None
        self._begun = False

    def numbers(self, group: str, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            if self._writer is not None:
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def conversions(self, judge: Judge, converted: Sequence[Audio], rate: int, step: int) -> None:
        """The first validation pairs of each kind, as sound and as spectrograms (target above ours).

        Source, reference and target, which stay the same, are written once.
        """
        shown: dict[str, int] = {}
        for trial, made in zip(judge.trials, converted, strict=True):
            kind = trial.pair.kind
            index = shown.get(kind, 0)
            if self._writer is None or index >= SHOWN:
                continue
            shown[kind] = index + 1
            sounds = {"converted": made}
            if not self._begun:
                sounds |= {"source": trial.source, "reference": trial.reference, "target": trial.target}
            for name, sound in sounds.items():
                tensor = torch.from_numpy(sound)[None] * headroom(sound)
                self._writer.add_audio(f"{kind}/{index}/{name}", tensor, step, rate)
            pictures = [picture(torch.from_numpy(sound)) for sound in (trial.target, made)]
            self._writer.add_image(f"{kind}/{index}", torch.cat(pictures, dim=1), step)
        self._begun = True

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def picture(audio_T: torch.Tensor) -> torch.Tensor:
    """A spectrogram as a grey picture [1, bins, frames]: -80 dB black, full scale white, low below."""
    level = 20.0 * (magnitudes(audio_T[None], 1024, 512)[0] / 256.0).log10()
    return (1.0 + level / 80.0).clamp(0.0, 1.0).T.flip(0)[None]
