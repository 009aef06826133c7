"""Notes and envelopes as tensors, and the composing gain in torch: the counterpart of `compose.gain`.

Tensor names: B clips, N notes of a clip (padded), T samples or any other points in time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from manifests.synthesis import compose
from manifests.synthesis.compose import Span
from manifests.synthesis.envelope import EXPONENT
from manifests.types import CURVES, MAX_CONSTANT, Curve, Envelope, Note, curve_constants

CURVE_NUMBERS: dict[Curve, float] = {"linear": 0.0, "linear_exponential": 0.5, "exponential": 1.0}
"""Each curve as a number, for `EnvelopeBatch.curve`."""


class NoteBatch(NamedTuple):
    """The notes of B clips, padded to N: times in samples, velocity 0..1, sounding MIDI pitch.

    `end` is where the next onset, or the clip's end, cuts the note. Padding stands behind the clip's end and
    has `mask` False.
    """

    onset_BN: Tensor
    off_BN: Tensor
    end_BN: Tensor
    velocity_BN: Tensor
    pitch_BN: Tensor
    mask_BN: Tensor

    def to(self, device: torch.device) -> NoteBatch:
        return NoteBatch(*(tensor.to(device) for tensor in self))


def note_batch(clips: Sequence[Sequence[Note]], rate: int, frames: int) -> NoteBatch:
    """Batches the notes of clips of `frames` samples at `rate` Hz, on the CPU.

    Example: `note_batch([notes], 44_100, 132_300).onset_BN`
    """
    return span_batch(
        [list(zip(notes, compose.spans(notes, rate, frames), strict=True)) for notes in clips], frames
    )


def span_batch(clips: Sequence[Sequence[tuple[Note, Span]]], frames: int) -> NoteBatch:
    """Batches notes with given spans in samples; padding stands at `frames`, behind all clips."""
    width = max(1, *(len(notes) for notes in clips)) if clips else 1
    shape = (len(clips), width)
    onset = torch.full(shape, float(frames))
    off, end = onset.clone(), onset.clone()
    velocity, pitch = torch.zeros(shape), torch.full(shape, 60.0)
    mask = torch.zeros(shape, dtype=torch.bool)
    for row, notes in enumerate(clips):
        for column, (note, span) in enumerate(notes):
            onset[row, column], off[row, column], end[row, column] = span
            velocity[row, column] = note.velocity / 127.0
            pitch[row, column] = note.pitch
            mask[row, column] = True
    return NoteBatch(onset, off, end, velocity, pitch, mask)


class EnvelopeBatch(NamedTuple):
    """Envelopes as tensors of one shape: times in ms, sustain 0..1, `curve` 0..1.

    `curve` is 0 for linear, 0.5 for a linear attack with exponential decay and release, 1 for exponential.
    Between them the shapes blend: see `attack_curvature` and `fall_curvature`. Where an envelope's curve has
    no name, `attack_k`, `decay_k` and `release_k` hold the constants of `manifests.synthesis.envelope`, which
    then count, and `curve` is the number of a shape near to it, for heads that know no others.
    """

    attack: Tensor
    hold: Tensor
    decay: Tensor
    sustain: Tensor
    release: Tensor
    curve: Tensor
    attack_k: Tensor | None = None
    decay_k: Tensor | None = None
    release_k: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> EnvelopeBatch:
        """Returns the envelopes with `change` applied to each tensor."""
        return EnvelopeBatch(*(tensor if tensor is None else change(tensor) for tensor in self))  # type: ignore[arg-type]

    def to(self, device: torch.device) -> EnvelopeBatch:
        return self.map(lambda tensor: tensor.to(device))

    def unsqueeze(self) -> EnvelopeBatch:
        """Returns the same envelopes with one more axis at the end."""
        return self.map(lambda tensor: tensor.unsqueeze(-1))


def envelope_batch(envelopes: Sequence[Envelope]) -> EnvelopeBatch:
    """Batches envelopes: float32 [B] each, on the CPU."""
    constants: list[Tensor] = []
    if any(e.curve not in CURVE_NUMBERS for e in envelopes):
        rows = [curve_constants(e.curve) for e in envelopes]
        constants = [torch.tensor(column, dtype=torch.float32) for column in zip(*rows, strict=True)]
    return EnvelopeBatch(
        torch.tensor([e.attack_ms for e in envelopes], dtype=torch.float32),
        torch.tensor([e.hold_ms for e in envelopes], dtype=torch.float32),
        torch.tensor([e.decay_ms for e in envelopes], dtype=torch.float32),
        torch.tensor([e.sustain for e in envelopes], dtype=torch.float32),
        torch.tensor([e.release_ms for e in envelopes], dtype=torch.float32),
        torch.tensor([curve_number(e.curve) for e in envelopes], dtype=torch.float32),
        *constants,
    )


def curve_number(curve: Curve) -> float:
    """Returns the number in `EnvelopeBatch.curve` of a curve, or of a shape near to it if it has no name.

    >>> curve_number("linear_exponential"), curve_number("0/2.5/2.5")
    (0.5, 0.25)
    """
    if curve in CURVE_NUMBERS:
        return CURVE_NUMBERS[curve]
    k = curve_constants(curve)
    attack, fall = (min(max(mean / EXPONENT, 0.0), 1.0) for mean in (k.attack, (k.decay + k.release) / 2))
    return fall / 2 + attack * fall / 2


def attack_curvature(curve: Tensor) -> Tensor:
    """Computes the attack's curvature, 0 (linear) to 1 (exponential), of `EnvelopeBatch.curve`.

    >>> attack_curvature(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])).tolist()
    [0.0, 0.0, 0.0, 0.5, 1.0]
    """
    return (2.0 * curve - 1.0).clamp(0.0, 1.0)


def fall_curvature(curve: Tensor) -> Tensor:
    """Computes the curvature of decay and release, 0 (linear) to 1 (exponential), of `EnvelopeBatch.curve`.

    >>> fall_curvature(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])).tolist()
    [0.0, 0.5, 1.0, 1.0, 1.0]
    """
    return (2.0 * curve).clamp(0.0, 1.0)


def nearest_curve(number: float) -> Curve:
    """Returns the curve whose number in `EnvelopeBatch.curve` is nearest.

    >>> nearest_curve(0.6)
    'linear_exponential'
    """
    return min(CURVES, key=lambda curve: abs(CURVE_NUMBERS[curve] - number))


def _progress(x: Tensor, curvature: Tensor) -> Tensor:
    """Computes a segment's progress at fraction `x` of its time; see `segment_progress`."""
    x = x.clamp(0.0, 1.0)
    if curvature.device.type == "cpu" and not curvature.requires_grad and not curvature.any():
        return x  # the exponential takes most of a gain's time
    exponential = torch.expm1(-EXPONENT * x) / math.expm1(-EXPONENT)
    return x + curvature * (exponential - x)


def constant_progress(x: Tensor, k: Tensor) -> Tensor:
    """Computes `manifests.synthesis.envelope.progress` in torch; constants `k` near 0 count as 0."""
    x = x.clamp(0.0, 1.0)
    curved = k.abs() > 1e-3
    k = torch.where(curved, k, torch.ones_like(k)).clamp(-MAX_CONSTANT, MAX_CONSTANT)
    return torch.where(curved, torch.expm1(-k * x) / torch.expm1(-k), x)


def segment_progress(
    time: Tensor, start: Tensor | float, length: Tensor, curvature: Tensor, k: Tensor | None = None
) -> Tensor:
    """Computes the progress, 0..1, at `time` of a segment that begins at `start` and takes `length` (ms).

    `curvature` is 0 for a linear to 1 for an exponential segment. With `k`, the segment has that constant.
    """
    # A segment of no length is over once it starts.
    passed = (time - start) / length.clamp(min=1e-6) + (length <= 0.0)
    return _progress(passed, curvature) if k is None else constant_progress(passed, k)


def held_curve(envelope: EnvelopeBatch, time: Tensor) -> Tensor:
    """Computes the gain of a held note at `time` ms after its onset."""
    rise = segment_progress(time, 0.0, envelope.attack, attack_curvature(envelope.curve), envelope.attack_k)
    start = envelope.attack + envelope.hold
    fall = segment_progress(time, start, envelope.decay, fall_curvature(envelope.curve), envelope.decay_k)
    return rise * (1.0 - (1.0 - envelope.sustain) * fall)


def gain_curve(envelope: EnvelopeBatch, gate: Tensor, time: Tensor) -> Tensor:
    """Computes `manifests.synthesis.envelope.gain_curve` in torch, differentiable in the envelope.

    `gate` and `time` are in ms; all arguments broadcast against each other.
    """
    gone = segment_progress(time, gate, envelope.release, fall_curvature(envelope.curve), envelope.release_k)
    release = held_curve(envelope, gate) * (1.0 - gone)
    gain = torch.where(time < gate, held_curve(envelope, time), release)
    return torch.where(time < 0.0, torch.zeros_like(gain), gain)


def note_at(notes: NoteBatch, at_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Finds the note at each point `at_BT` (samples): index, int64 [B, T], and whether there is one, bool."""
    index = torch.searchsorted(notes.onset_BN.contiguous(), at_BT.contiguous(), right=True) - 1
    index = torch.minimum(index, notes.mask_BN.sum(1, keepdim=True) - 1)
    return index.clamp(min=0), index >= 0


def clip_gain(
    notes: NoteBatch, envelope: EnvelopeBatch, at_BT: Tensor, rate: int, cut_fade_ms: float
) -> Tensor:
    """Computes the gain of B clips at the points `at_BT` (in samples): float32 [B, T].

    At whole samples it agrees with `manifests.synthesis.compose.gain` to 1e-5; points need not be whole.
    """
    index, inside = note_at(notes, at_BT)
    onset, off, end, velocity = (
        tensor.gather(1, index) for tensor in (notes.onset_BN, notes.off_BN, notes.end_BN, notes.velocity_BN)
    )
    per_ms = 1000.0 / rate
    curve = gain_curve(envelope.unsqueeze(), (off - onset) * per_ms, (at_BT - onset) * per_ms)
    return velocity * curve * cut_fade_gain(at_BT, end, rate, cut_fade_ms) * (inside & (at_BT < end))


def cut_fade_gain(at: Tensor, end: Tensor, rate: int, cut_fade_ms: float) -> Tensor:
    """Computes the raised cosine that ends a note's span: 1 until `cut_fade_ms` before `end`, then to 0."""
    fade = compose.to_samples(cut_fade_ms / 1000.0, rate)
    phase = ((at - (end - fade) + 0.5) / max(fade, 1)).clamp(0.0, 1.0)
    faded = 0.5 + 0.5 * torch.cos(math.pi * phase)
    return torch.where(at >= end - fade, faded, torch.ones_like(faded))
