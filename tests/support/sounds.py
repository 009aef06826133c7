"""Sounds of known pitch, notes and spectra for tests of metrics."""

from __future__ import annotations

import numpy as np

from manifests.synthesis.compose import gain
from manifests.types import Envelope
from tests.support.synthetic_dataset import CUT_FADE_MS, make_phrase, make_tone

RATE = 44_100


def sine(hertz: float, seconds: float = 1.0, level: float = 0.5, rate: int = RATE) -> np.ndarray:
    """Returns a sine that begins at phase 0 with peak `level`."""
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def harmonic(hertz: float, seconds: float = 1.0, slope: float = 1.0) -> np.ndarray:
    """Returns a tone of 12 harmonics that fall as k^-slope, with peak 0.5."""
    sound = sum(sine(k * hertz, seconds) / k**slope for k in range(1, 13))
    return 0.5 * sound / np.max(np.abs(sound))


def play_phrase(
    timbre: int, phrase: int, envelope: Envelope, seconds: float = 2.0
) -> tuple[np.ndarray, tuple]:
    """Plays a phrase on an additive timbre of the synthetic dataset. Returns the sound and its notes."""
    notes = make_phrase(7, phrase, seconds)
    frames = round(seconds * RATE)
    dry = np.zeros(frames)
    for note in notes:
        start = round(note.onset * RATE)
        samples, scale = make_tone(7, timbre, note.pitch, frames - start, RATE)
        dry[start:] = samples * scale
    return gain(notes, envelope, RATE, frames, CUT_FADE_MS) * dry, notes
