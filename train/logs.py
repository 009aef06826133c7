"""What a run leaves in TensorBoard: losses, rates, validation scores, and at the end sounds and pictures."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from train.data.pairs import TAKES
from train.judge import Judge
from train.spectral import magnitudes
from train.systems.base import System

SHOWN = 1
"""Conversions of each kind that are written at the end of a run."""


class Logs:
    """A TensorBoard writer that is told numbers by name; `None` as folder: writes nothing."""

    def __init__(self, folder: Path | None, from_step: int = 0) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=from_step) if folder is not None else None

    def numbers(self, group: str, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            if self._writer is not None:
                self._writer.add_scalar(f"{group}/{name}", value, step)

    @torch.no_grad()
    def conversions(self, system: System, judge: Judge, step: int) -> None:
        """The first validation pairs of each kind, as sound and as spectrograms (target above ours)."""
        shown: dict[str, int] = {}
        for trial in judge.trials:
            kind = trial.pair.kind
            index = shown.get(kind, 0)
            if self._writer is None or index >= SHOWN:
                continue
            shown[kind] = index + 1
            made = system.convert(trial.source, trial.reference, TAKES[kind], None, None)
            sounds = {"source": trial.source, "reference": trial.reference, "target": trial.target}
            for name, sound in {**sounds, "converted": made.audio}.items():
                tensor = torch.from_numpy(sound)[None]
                self._writer.add_audio(f"{kind}/{index}/{name}", tensor, step, system.format.rate)
            pictures = [picture(torch.from_numpy(sound)) for sound in (trial.target, made.audio)]
            self._writer.add_image(f"{kind}/{index}", torch.cat(pictures, dim=1), step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def picture(audio_T: torch.Tensor) -> torch.Tensor:
    """A spectrogram as a grey picture [1, bins, frames]: -80 dB black, full scale white, low below."""
    level = 20.0 * (magnitudes(audio_T[None], 1024, 512)[0] / 256.0).log10()
    return (1.0 + level / 80.0).clamp(0.0, 1.0).T.flip(0)[None]
