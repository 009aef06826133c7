"""Defines how a clip is composed: y(t) = gain(notes, envelope; t) * dry(notes, timbre; t).

All times become whole samples, `floor(seconds * rate + 0.5)`. A phrase is monophonic, so each sample
belongs to at most one note. The *span* of a note is from its onset to the next onset, or to the clip's end.

- dry: within a note's span, the tone of its pitch from the tone's first sample on, as far as it goes;
  0 before the first note.
- gain: within a note's span, velocity / 127 times the envelope's gain curve with the note's gate. Over
  the last `cut_fade_ms` of the span a raised cosine fades it to 0. So a new onset cuts the old tail
  without a click.
- the clip: gain * dry, scaled so that its peak is exactly the configured one, rounded to int16.

`manifests/synthesis/vectors.json` holds test vectors; the renderer's NumPy and the trainer's torch pass both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.synthesis.envelope import held_gain, released_gain, settle_ms
from manifests.types import Envelope, Note

F32 = npt.NDArray[np.float32]
I16 = npt.NDArray[np.int16]

FULL_SCALE = 32767


class Span(NamedTuple):
    """A note's onset, note-off, and end (where the next note cuts it), in samples."""

    onset: int
    off: int
    end: int


def to_samples(seconds: float, rate: int) -> int:
    """Returns the sample nearest to a time in seconds; halves round up.

    Example: `to_samples(0.5, 44_100)` is 22050.
    """
    return int(np.floor(seconds * rate + 0.5))


def spans(notes: Sequence[Note], rate: int, frames: int) -> list[Span]:
    """Returns each note's span in samples, cut by the next onset and by the clip's end.

    >>> spans([Note(0.0, 0.5, 60, 100), Note(1.0, 0.5, 62, 100)], rate=10, frames=20)
    [Span(onset=0, off=5, end=10), Span(onset=10, off=15, end=20)]
    """
    onsets = [min(to_samples(note.onset, rate), frames) for note in notes]
    ends = [*onsets[1:], frames]
    return [
        Span(onset, min(to_samples(note.off, rate), end), end)
        for note, onset, end in zip(notes, onsets, ends, strict=True)
    ]


def cut_fade(samples: int) -> F32:
    """Returns the raised cosine from 1 to 0 that ends a span: float32 [samples], its last value above 0.

    >>> cut_fade(4).round(2).tolist()
    [0.9599999785423279, 0.6899999976158142, 0.3100000023841858, 0.03999999910593033]
    """
    phase = (np.arange(samples, dtype=np.float64) + 0.5) / max(samples, 1)
    return (0.5 + 0.5 * np.cos(np.pi * phase)).astype(np.float32)


def gain(notes: Sequence[Note], envelope: Envelope, rate: int, frames: int, cut_fade_ms: float) -> F32:
    """Returns a clip's gain curve, float32 [frames]: velocity, envelope, and the cut at the next onset.

    >>> held = Envelope(attack_ms=0, decay_ms=0, sustain=1.0, release_ms=0)
    >>> gain([Note(0.0, 0.5, 60, 127)], held, rate=8, frames=6, cut_fade_ms=0.0).tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    curve = np.zeros(frames, dtype=np.float32)
    fade = cut_fade(to_samples(cut_fade_ms / 1000.0, rate))
    per_ms = 1000.0 / rate
    rising, sustained = _held(envelope, rate)
    for note, span in zip(notes, spans(notes, rate, frames), strict=True):
        length, held = span.end - span.onset, span.off - span.onset
        gate = held * per_ms
        heard = min(length, int(np.ceil((gate + envelope.release_ms) / per_ms)) + 1)
        shape = np.empty(heard)
        moving = min(len(rising), held)
        shape[:moving] = rising[:moving]
        shape[moving:held] = sustained
        released = np.arange(held, heard, dtype=np.float64) * per_ms
        shape[held:] = released_gain(envelope, gate, released)
        shape *= note.velocity / 127.0
        piece = curve[span.onset : span.onset + heard]
        piece[:] = shape
        first_faded = length - len(fade)
        if heard > first_faded:
            start = max(first_faded, 0)
            piece[start:] *= fade[start - first_faded : heard - first_faded]
    return curve


@lru_cache(maxsize=256)
def _held(envelope: Envelope, rate: int) -> tuple[npt.NDArray[np.float64], float]:
    """Returns a held note's gain until it has settled, float64 [samples], and its sustain level."""
    per_ms = 1000.0 / rate
    settled = int(np.ceil(settle_ms(envelope) / per_ms)) + 1
    moving = held_gain(envelope, np.arange(settled, dtype=np.float64) * per_ms)
    return moving, float(held_gain(envelope, np.array(settle_ms(envelope))))


def dry(notes: Sequence[Note], tones: Mapping[int, tuple[I16, float]], rate: int, frames: int) -> F32:
    """Plays a phrase on a timbre's tones without any envelope; returns float32 [frames].

    `tones` maps each MIDI pitch to the tone's samples, int16 [n], and their scale (amplitude of one unit).
    Silence follows a tone that ends within its span: planning ensures that the gain is 0 there. Raises
    KeyError for a missing pitch, and ValueError for a tone that ends before its note-off.

    >>> tones = {60: (np.arange(4, dtype=np.int16), 0.5)}
    >>> dry([Note(0.0, 0.5, 60, 100)], tones, rate=4, frames=6).tolist()
    [0.0, 0.5, 1.0, 1.5, 0.0, 0.0]
    """
    sound = np.zeros(frames, dtype=np.float32)
    for note, span in zip(notes, spans(notes, rate, frames), strict=True):
        samples, scale = tones[note.pitch]
        if len(samples) < span.off - span.onset:
            raise ValueError(
                f"tone of pitch {note.pitch}: {len(samples)} samples, {span.off - span.onset} needed"
            )
        length = min(span.end - span.onset, len(samples))
        np.multiply(samples[:length], np.float32(scale), out=sound[span.onset : span.onset + length])
    return sound


def pcm_sha256(pcm: I16) -> str:
    """Returns the SHA-256 (hex) of a clip's int16 little-endian samples: the manifest's `pcm_sha256`.

    >>> pcm_sha256(np.zeros(2, dtype=np.int16))[:8]
    'df3f6198'
    """
    return hashlib.sha256(np.ascontiguousarray(pcm, dtype="<i2").data).hexdigest()


def rms(pcm: I16) -> float:
    """Returns the RMS with full scale 1. Its integer sums are exact, so it is the same on every machine.

    >>> rms(np.array([32767, -32767], dtype=np.int16))
    1.0
    """
    # Squares reach 2^30. Float64 adds whole numbers exactly up to 2^53, which is three minutes at full scale.
    samples = pcm.astype(np.float64)
    return float(np.sqrt(np.einsum("i,i", samples, samples) / len(pcm)) / FULL_SCALE)


def peak_value(peak_dbfs: float) -> int:
    """Returns the int16 value of a peak level: -1 dBFS is 29204.

    >>> peak_value(-1.0)
    29204
    """
    return int(np.floor(10.0 ** (peak_dbfs / 20.0) * FULL_SCALE + 0.5))


def to_int16(sound: F32, peak: int) -> tuple[I16, float]:
    """Scales float32 [n] so that its largest magnitude is `peak`; returns int16 [n] and the gain.

    The gain is in units of full scale: int16 value / 32767 per unit of `sound`. Raises ValueError if the
    sound is silent or not finite.

    >>> pcm, factor = to_int16(np.array([0.5, -0.25], dtype=np.float32), peak=29204)
    >>> pcm.tolist()
    [29204, -14602]
    """
    largest = max(float(sound.max(initial=0.0)), -float(sound.min(initial=0.0)))
    if not np.isfinite(largest) or largest <= 0.0:
        raise ValueError(f"sound to normalise: expected a finite peak above 0, got {largest}")
    factor = np.float32(peak / largest)
    # The largest magnitude is within half a unit of `peak`, so no sample rounds beyond it.
    scaled = sound * factor
    return np.rint(scaled, out=scaled).astype(np.int16), float(factor) / FULL_SCALE
