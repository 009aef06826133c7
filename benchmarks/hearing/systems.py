"""Systems that hear: a codec, and the training-free transcriber. Basic Pitch is in `independent.py`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.hearing.clip_set import Heard, audio_file, read_truths, write_heard
from manifests.synthesis.octaves import median_pitch, octave_of
from train.audio.files import read_audio
from train.codec.api import load_codec
from train.metrics.envelope import measure_envelope
from train.metrics.features import AudioFeatures
from train.metrics.transcribe import transcribe

CUT_FADE_MS = 5.0


def hear_by_codec(folder: Path, checkpoint: Path, name: str) -> None:
    """Writes what a codec states of each clip of a test set: notes, envelope and octave."""
    codec = load_codec(checkpoint)
    heard = {}
    for truth in read_truths(folder):
        stated = codec.describe(codec.read(audio_file(folder, truth.clip)))
        heard[truth.clip] = Heard(
            stated.notes, stated.envelope if stated.notes else None, stated.octave if stated.notes else None
        )
    write_heard(folder, name, heard)


def hear_by_transcriber(folder: Path) -> None:
    """Writes the notes of `train.metrics.transcribe`, and the envelope and octave measured with them."""
    heard = {}
    for truth in read_truths(folder):
        audio, rate = read_audio(audio_file(folder, truth.clip))
        notes = transcribe(AudioFeatures(audio, rate))
        measured = measure_envelope(audio, notes, rate, CUT_FADE_MS)
        heard[truth.clip] = Heard(
            notes, measured.envelope if measured else None, octave_of(median_pitch(notes)) if notes else None
        )
    write_heard(folder, "transcriber", heard)
