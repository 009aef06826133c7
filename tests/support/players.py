"""Samplers that play instruments of ours: FluidSynth (SoundFont 2), and sfizz (SFZ)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pysfizz
import soundfile

from manifests.synthesis.midi_file import midi_file
from manifests.types import Note, Notes
from tests.support.presets.plugins import require_plugin

F64 = npt.NDArray[np.float64]
RATE = 44_100


def play_soundfont(font: Path, notes: Notes, seconds: float, folder: Path) -> F64:
    """Renders notes with FluidSynth, without its reverb and chorus: float64 [samples]."""
    player = require_plugin("/usr/bin/fluidsynth", "fluidsynth")
    midi, wav = folder / "notes.mid", folder / "played.wav"
    midi.write_bytes(midi_file(notes, beat_us=500_000))
    options = ["-niq", "-R", "0", "-C", "0", "-g", "1", "-r", str(RATE), "-O", "float", "-T", "wav"]
    subprocess.run([player, *options, "-F", wav, font, midi], check=True, stderr=subprocess.DEVNULL)
    sound = soundfile.read(wav)[0].mean(axis=1)
    samples = round(seconds * RATE)
    return np.pad(sound, (0, max(samples - len(sound), 0)))[:samples]


def play_sfz(path: Path, note: Note, seconds: float) -> F64:
    """Renders one note with sfizz: float64 [samples]."""
    synth = pysfizz.Synth(RATE, 64)
    assert synth.load_sfz_file(path)
    sound = synth.render_note(note.pitch, note.velocity, note.duration, seconds - note.onset)
    before = np.zeros(round(note.onset * RATE))
    return np.concatenate([before, np.asarray(sound[0], dtype=np.float64)])[: round(seconds * RATE)]
