"""A short tune by an additive synth, and a drum loop."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support.synthetic_dataset import CUT_FADE_MS, make_tone

RATE = 44_100
ENVELOPE = Envelope(20.0, 80.0, 0.4, 90.0, 5.0)


@lru_cache
def tune(seconds: float = 0.8, timbre: int = 0, octave: int = 0) -> np.ndarray:
    """Returns a short tune, float32 [samples], full scale 1."""
    frames = round(seconds * RATE)
    notes = [
        Note(at, 0.16, pitch + 12 * octave, 100)
        for at, pitch in ((0.0, 60), (0.2, 64), (0.4, 62), (0.6, 60))
        if at < seconds
    ]
    tones = {note.pitch: make_tone(11, timbre, note.pitch, frames, RATE) for note in notes}
    made = compose.gain(notes, ENVELOPE, RATE, frames, CUT_FADE_MS) * compose.dry(notes, tones, RATE, frames)
    return np.asarray(0.8 * made / np.abs(made).max(), dtype=np.float32)


def drum_loop() -> np.ndarray:
    time = np.arange(round(0.25 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (50 * time - 3 * np.exp(-30 * time))) * np.exp(-12 * time)
    snare = (stream(1, "snare").random(len(time)) - 0.5) * np.exp(-25 * time)
    return np.asarray(np.concatenate([kick, snare, kick, snare]), dtype=np.float32)
