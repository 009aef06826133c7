"""Baselines that need no training.

- `transplant` plays each of the source's notes with the reference's note that is nearest in pitch: its
  envelope is divided out where it is loud enough, it is resampled to the wanted pitch, looped with a
  crossfade to the wanted length, and multiplied by the wanted gain.
- `re_envelope` multiplies the source by the new gain over the old gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.synthesis.compose import Span, gain, spans
from manifests.synthesis.octaves import median_pitch, octave_of, transpose
from manifests.types import Envelope, Notes
from train.audio.files import peak_of

Audio = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

QUIETEST = 0.05
"""Gain relative to the highest of a note below which its envelope is not divided out: -26 dB."""

LOUDEST_BOOST = 100.0
"""Highest gain of `re_envelope`: 40 dB."""

CROSSFADE_S = 0.02
SHORTEST_S = 0.03
"""Shortest stretch of a donor's note that is used."""
OVERSAMPLING = 4
"""Factor by which a note is oversampled before it is resampled by linear interpolation."""


@dataclass(frozen=True, slots=True)
class AnnotatedAudio:
    """A recording, float32 [samples], with known or estimated notes (as they sound) and envelope."""

    audio: Audio
    notes: Notes
    envelope: Envelope


def match_octave(notes: Notes, like: Notes) -> Notes:
    """Transposes notes by octaves to the octave of other notes: the octave belongs to the timbre."""
    if not notes or not like:
        return notes
    return transpose(notes, 12 * (octave_of(median_pitch(like)) - octave_of(median_pitch(notes))))


def transplant(
    notes: Notes,
    envelope: Envelope,
    donor: AnnotatedAudio,
    rate: int,
    frames: int,
    cut_fade_ms: float,
    peak: float,
) -> Audio:
    """Plays notes in the timbre of a donor recording under an envelope.

    Args:
        notes: The notes as they are to sound.
        envelope: The envelope to play them with.
        donor: The recording whose notes are resampled.
        rate: Sample rate, Hz.
        frames: Length of the result, samples.
        cut_fade_ms: Fade before a new onset, ms.
        peak: Highest magnitude of the result: that of the source, as clips of a set are normalised alike.

    Returns:
        float32 [frames]; silence if the donor or `notes` has no note.
    """
    pieces = _pieces(donor, rate, cut_fade_ms) if donor.notes else []
    dry = np.zeros(frames)
    if not pieces or not notes:
        return dry.astype(np.float32)
    fine: dict[int, F64] = {}  # Made when first needed: most pieces are nearest to no note.
    for note, span in zip(notes, spans(notes, rate, frames), strict=True):
        near = [(abs(pitch - note.pitch), -len(piece), place) for place, (pitch, piece) in enumerate(pieces)]
        place = min(near)[2]
        if place not in fine:
            fine[place] = _oversampled(pieces[place][1])
        step = 2.0 ** ((note.pitch - pieces[place][0]) / 12.0)
        dry[span.onset : span.end] = _looped(fine[place], step, span.end - span.onset, rate)
    return scale_to_peak(dry * gain(notes, envelope, rate, frames, cut_fade_ms), peak)


def _pieces(donor: AnnotatedAudio, rate: int, cut_fade_ms: float) -> list[tuple[int, F64]]:
    """Cuts the donor's notes, envelope divided out, at one RMS: (MIDI pitch, float64 [samples])."""
    curve = gain(donor.notes, donor.envelope, rate, len(donor.audio), cut_fade_ms).astype(np.float64)
    pieces = []
    for note, span in zip(donor.notes, spans(donor.notes, rate, len(donor.audio)), strict=True):
        stretch = _loud(curve, span)
        if stretch is None or stretch[1] - stretch[0] < SHORTEST_S * rate:
            continue
        start, end = stretch
        piece = donor.audio[start:end] / curve[start:end]
        level = float(np.sqrt(np.mean(piece**2)))
        if level > 1e-6:
            pieces.append((note.pitch, piece / level))
    return pieces


def _loud(curve: F64, span: Span) -> tuple[int, int] | None:
    """Returns the longest stretch, in samples, of a span whose gain is at least `QUIETEST` of its highest."""
    inside = curve[span.onset : span.end]
    top = float(inside.max(initial=0.0))
    if top <= 0.0:
        return None
    edges = np.diff(np.concatenate([[0], (inside >= QUIETEST * top).astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    longest = int(np.argmax(ends - starts))
    return span.onset + int(starts[longest]), span.onset + int(ends[longest])


def _oversampled(piece: F64) -> F64:
    """Oversample by `OVERSAMPLING` through the spectrum; mirrored ends keep it from ringing."""
    margin = min(len(piece) - 1, 256)
    padded = np.pad(piece, margin, mode="reflect")
    spectrum = np.fft.rfft(padded)
    longer = np.zeros(len(padded) * OVERSAMPLING // 2 + 1, dtype=np.complex128)
    longer[: len(spectrum)] = spectrum
    fine = np.fft.irfft(longer, len(padded) * OVERSAMPLING) * OVERSAMPLING
    return np.asarray(fine[margin * OVERSAMPLING : (margin + len(piece)) * OVERSAMPLING])


def _looped(piece: F64, step: float, samples: int, rate: int) -> F64:
    """Reads `samples` of an oversampled piece at `step` times its speed; loop its end with a crossfade."""
    count = max(int((len(piece) - 1) / (step * OVERSAMPLING)), 2)
    read = np.interp(np.arange(count) * step * OVERSAMPLING, np.arange(len(piece)), piece)
    fade = min(round(CROSSFADE_S * rate), count // 3)
    if count >= samples or fade < 1:
        return np.pad(read[:samples], (0, max(samples - count, 0)))
    # The loop runs from `start` to the end; its last `fade` samples cross over into those before `start`.
    start = max(count // 3, fade)
    loop = read[start:].copy()
    rise = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade)
    loop[-fade:] = loop[-fade:] * rise[::-1] + read[start - fade : start] * rise
    repeats = (samples - count) // len(loop) + 1
    return np.concatenate([read[:start], loop, np.tile(loop, repeats)])[:samples]


def re_envelope(source: AnnotatedAudio, envelope: Envelope, rate: int, cut_fade_ms: float) -> Audio:
    """Replaces the envelope of a source on its own notes: float32 [samples]."""
    frames = len(source.audio)
    if not source.notes:
        return source.audio
    old = gain(source.notes, source.envelope, rate, frames, cut_fade_ms).astype(np.float64)
    new = gain(source.notes, envelope, rate, frames, cut_fade_ms)
    top = float(old.max(initial=0.0))
    if top <= 0.0:
        return source.audio
    return scale_to_peak(source.audio * new / np.maximum(old, top / LOUDEST_BOOST), peak_of(source.audio))


def scale_to_peak(sound: F64, peak: float) -> Audio:
    """Scales a sound to a highest magnitude of `peak`; silence stays silence."""
    highest = peak_of(sound)
    return np.asarray(sound * (peak / highest) if highest > 0.0 else sound, dtype=np.float32)
