"""Composes single clips of a bank's dataset on the CPU, for evaluation, pages and tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from manifests.dataset.bank import Bank
from manifests.dataset.rows import envelope_of, notes_of
from manifests.types import ClipId, Envelope, InputError, Notes
from train.data.bank.compose import compose_block
from train.data.bank.format import clip_format
from train.data.bank.tones import Tones

I16 = npt.NDArray[np.int16]
CPU = torch.device("cpu")


@lru_cache(maxsize=4)
def _factors(bank: Bank) -> tuple[list[Envelope], list[Notes], set[int]]:
    envelopes = [envelope_of(row) for row in bank.read("envelopes").to_pylist()]
    phrases = [notes_of(row) for row in bank.read("phrases").to_pylist()]
    return envelopes, phrases, set(bank.read("timbres").column("timbre").to_pylist())


@lru_cache(maxsize=32)
def _tones(bank: Bank, timbre: int) -> Tones:
    return Tones.load(bank, [timbre], CPU)


def compose_clip(bank: Bank, clip: ClipId) -> tuple[I16, float]:
    """Composes one clip: int16 [frames], and its gain (see `synthesis.compose.to_int16`).

    Raises InputError if the bank has no such timbre, envelope or phrase.
    """
    envelopes, phrases, timbres = _factors(bank)
    if not (clip.timbre in timbres and clip.envelope < len(envelopes) and clip.phrase < len(phrases)):
        raise InputError(f"{bank.root}: no clip {clip.key!r}: it has no such timbre, envelope or phrase")
    made = compose_block(
        _tones(bank, clip.timbre),
        [clip.timbre],
        [phrases[clip.phrase]],
        [envelopes[clip.envelope]],
        clip_format(bank),
    )
    return made.pcm_TPEF[0, 0, 0].numpy(), float(made.gain_TPE[0, 0, 0])


def compose_clips(bank: Bank, keys: Sequence[str]) -> dict[str, I16]:
    """Composes clips by key, int16 [frames] each.

    Raises InputError if a key is no clip's.

    Example: `compose_clips(bank, ["b000012_t00017_e0003_p0042"])`
    """
    # Sorted by timbre, so that each timbre's tones are read once.
    clips = sorted({ClipId.parse(key) for key in keys}, key=lambda clip: (clip.timbre, clip))
    return {clip.key: compose_clip(bank, clip)[0] for clip in clips}
