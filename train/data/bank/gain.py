"""Gain curves of a block's phrases and envelopes: `compose.gain` in float32, counted in samples.

It is the closed form of `synthesis.envelope`, for whole samples at once. Times are exact integers in float32
below 2^24 samples. A segment of no length is entered a quarter of a sample early, which makes no difference
at whole samples.

Tensor names: P phrases, E envelopes, F samples of a clip, N notes of a phrase (padded), S samples until all
envelopes have settled, R samples of the longest release, X any points in time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from manifests.synthesis.compose import Span, cut_fade, to_samples
from manifests.synthesis.envelope import EXPONENT
from manifests.types import Envelope, Notes
from train.data.bank.format import ClipFormat
from train.nn.gain import (
    EnvelopeBatch,
    NoteBatch,
    attack_curvature,
    constant_progress,
    cut_fade_gain,
    envelope_batch,
    fall_curvature,
)

F32 = npt.NDArray[np.float32]

EARLY, AT_ONCE = 0.25, 8.0
"""Lead of a segment of no length, in samples, and its slope per sample: it ends at the first whole sample."""


class Shape(NamedTuple):
    """Which of E segments are exponential, bool [E], and whether linear and exponential ones occur.

    Where some curve has no name, `k` holds the constants, [E], which then count.
    """

    exponential: Tensor
    some_linear: bool
    some_exponential: bool
    k: Tensor | None = None


def _shape(exponential: Tensor, k: Tensor | None) -> Shape:
    return Shape(exponential, not bool(exponential.all()), bool(exponential.any()), k)


class Segments(NamedTuple):
    """Envelopes counted in samples, tensors [E].

    `attack_from` and `decay_from` count from the onset, `release_from` from the note-off. `attack`, `decay`
    and `release` are slopes per sample, and `sustain` is a level 0..1. `rise`, `fall` and `gone` are the
    shapes of attacks, decays and releases.
    """

    attack_from: Tensor
    attack: Tensor
    decay_from: Tensor
    decay: Tensor
    release_from: Tensor
    release: Tensor
    sustain: Tensor
    rise: Shape
    fall: Shape
    gone: Shape


def segments(envelopes: EnvelopeBatch, rate: int) -> Segments:
    """Converts envelopes to segments counted in samples at `rate` Hz."""
    per_ms = rate / 1000.0

    def slope(length: Tensor) -> tuple[Tensor, Tensor]:
        some = length > 0.0
        early = torch.where(some, torch.zeros_like(length), torch.full_like(length, EARLY))
        steep = 1.0 / (length * per_ms).clamp(min=1e-9)
        return early, torch.where(some, steep, torch.full_like(length, AT_ONCE))

    (a_early, a), (d_early, d), (r_early, r) = (
        slope(length) for length in (envelopes.attack, envelopes.decay, envelopes.release)
    )
    begins = (envelopes.attack + envelopes.hold) * per_ms
    rising, falling = (of(envelopes.curve) > 0.5 for of in (attack_curvature, fall_curvature))
    constants = (envelopes.attack_k, envelopes.decay_k, envelopes.release_k)
    shapes = [_shape(*pair) for pair in zip((rising, falling, falling), constants, strict=True)]
    return Segments(-a_early, a, begins - d_early, d, -r_early, r, envelopes.sustain, *shapes)


def _progress(x: Tensor, shape: Shape) -> Tensor:
    """Computes the progress of a segment, in place. The envelopes are the last but one axis of `x`."""
    x.clamp_(0.0, 1.0)
    if shape.k is not None:
        return constant_progress(x, shape.k[:, None])
    if not shape.some_exponential:
        return x
    curved = torch.expm1(-EXPONENT * x).mul_(1.0 / math.expm1(-EXPONENT))
    return torch.where(shape.exponential[:, None], curved, x) if shape.some_linear else curved


def held_gain(since: Tensor, envelope: Segments) -> Tensor:
    """Computes a held note's gain, [..., E, X], at `since` [..., 1, X] (or [X]) samples after its onset."""
    fall = _progress((since - envelope.decay_from[:, None]).mul_(envelope.decay[:, None]), envelope.fall)
    rise = _progress((since - envelope.attack_from[:, None]).mul_(envelope.attack[:, None]), envelope.rise)
    return fall.mul_(envelope.sustain[:, None] - 1.0).add_(1.0).mul_(rise)


def release_gain(since_off: Tensor, envelope: Segments) -> Tensor:
    """Computes the release's factor, 1..0, at `since_off` samples after a note-off; shapes as `held_gain`."""
    gone = _progress(
        (since_off - envelope.release_from[:, None]).mul_(envelope.release[:, None]), envelope.gone
    )
    return gone.neg_().add_(1.0)


def gain_vectorised(
    notes: NoteBatch, envelopes: EnvelopeBatch, index_PF: Tensor, at_F: Tensor, format: ClipFormat
) -> Tensor:
    """Computes the gain of P phrases under E envelopes at every sample: float32 [P, E, F].

    `index_PF` is the note at each sample `at_F`. Samples before a phrase's first note are not meant.
    """
    envelope = segments(envelopes, format.rate)
    onset, off, end, velocity = (
        tensor.gather(1, index_PF)
        for tensor in (notes.onset_BN, notes.off_BN, notes.end_BN, notes.velocity_BN)
    )
    since_PF = at_F - onset
    reached_PEN = held_gain((notes.off_BN - notes.onset_BN)[:, None], envelope)
    index_PEF = index_PF[:, None].expand(-1, len(envelope.sustain), -1)
    released = release_gain((at_F - off)[:, None], envelope).mul_(reached_PEN.gather(2, index_PEF))
    sounding = (at_F < off)[:, None]
    gain = torch.where(sounding, held_gain(since_PF[:, None], envelope), released)
    return gain.mul_((velocity * cut_fade_gain(at_F, end, format.rate, format.cut_fade_ms))[:, None])


@lru_cache(maxsize=16)
def _curves(envelopes: tuple[Envelope, ...], rate: int) -> tuple[F32, F32]:
    """Computes the gain until all envelopes have settled, [E, S], and the release's factor, [E, R]."""
    batch = envelope_batch(envelopes)
    envelope, per_ms = segments(batch, rate), rate / 1000.0
    settled = math.ceil(float((batch.attack + batch.hold + batch.decay).max()) * per_ms) + 2
    released = math.ceil(float(batch.release.max()) * per_ms) + 2
    rising = held_gain(torch.arange(float(settled)), envelope)
    releasing = release_gain(torch.arange(float(released)), envelope)
    return rising.numpy(), releasing.numpy()


def gain_per_note(
    notes: Notes, where: Sequence[Span], envelopes: Sequence[Envelope], format: ClipFormat, out_EF: F32
) -> None:
    """Computes the gain of one phrase under E envelopes note by note, in place into `out_EF`, on the CPU."""
    rising_ES, releasing_ER = _curves(tuple(envelopes), format.rate)
    settled, fade = rising_ES.shape[1], cut_fade(to_samples(format.cut_fade_ms / 1000.0, format.rate))
    out_EF[:, : where[0].onset] = 0.0
    for note, (onset, off, end) in zip(notes, where, strict=True):
        velocity, moving = np.float32(note.velocity / 127.0), min(settled, off - onset)
        np.multiply(rising_ES[:, :moving], velocity, out=out_EF[:, onset : onset + moving])
        out_EF[:, onset + moving : off] = rising_ES[:, -1:] * velocity
        reached_E1 = rising_ES[:, min(off - onset, settled - 1), None] * velocity
        tail = min(releasing_ER.shape[1], end - off)
        np.multiply(releasing_ER[:, :tail], reached_E1, out=out_EF[:, off : off + tail])
        out_EF[:, off + tail : end] = 0.0
        faded = min(len(fade), end - onset)
        out_EF[:, end - faded : end] *= fade[len(fade) - faded :]
