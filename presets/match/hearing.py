"""Hears a recording: its sound, and the notes and the envelope that the released codec hears in it.

The codec is part of `train`, which this package does not import: it runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from manifests.child_process import environment, module_command
from manifests.types import Envelope, InputError, Note, Notes
from presets.scan.describe import ScanSpec, embed_tones

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

OCTAVES = (-2, -1, 0, 1, 2)
"""Octaves at which the timbre is compared with presets; those beyond are compared with the nearest."""

SKIPPED_S = 0.2
"""Beginning of a tone that is left out: a scan measures the steadiest part."""

SPARED_S = 0.05
"""End of a tone that is left out, with its fade."""

LONGEST_S = 60.0
"""Recordings longer than this are no phrase."""


class HeardRecording(NamedTuple):
    """A recording and what is heard in it.

    Attributes:
        sound: mono audio, float32 [samples], full scale 1.
        rate: its sample rate in Hz.
        notes: notes as they sound.
        envelope: the envelope.
        doubts: one sentence for each thing that could not be measured.
        places: by octave, the embedding of the recording's timbre on the notes that a scan plays.
    """

    sound: F32
    rate: int
    notes: Notes
    envelope: Envelope
    doubts: tuple[str, ...]
    places: dict[int, F64]


def hear(recording: Path, checkpoint: Path | None = None) -> HeardRecording:
    """Hears a recording of one voice with the codec of a checkpoint, by default the released one.

    Raises InputError with one line if the file is missing, no audio, longer than `LONGEST_S` or silent, or if
    the extra `train` is not installed.

    Example: `hear(Path("a.wav")).envelope.release_ms`
    """
    sound, rate = _read(recording)
    weights = ["--checkpoint", str(checkpoint.resolve())] if checkpoint is not None else []
    path = str(recording.resolve())
    done = _train("describe", *weights, "--", path)
    lines = done.stderr.strip().splitlines()
    heard: dict[str, Any] = json.loads(done.stdout)
    if not heard["notes"]:
        raise InputError(f"{recording}: no note is heard in it")
    doubts = tuple(line.removeprefix("warning: ") for line in lines if line.startswith("warning: "))
    notes = tuple(Note(**note) for note in heard["notes"])
    with tempfile.TemporaryDirectory() as folder:
        places = _places(path, weights, Path(folder))
    return HeardRecording(sound, rate, notes, Envelope(**heard["envelope"]), doubts, places)


def _train(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of `train`. Raises InputError with its last line if it fails."""
    done = subprocess.run(
        module_command("train", *arguments), capture_output=True, text=True, env=environment(), check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise InputError((lines or [f"train {arguments[0]} failed"])[-1].removeprefix("error: "))
    return done


def _places(recording: str, weights: list[str], folder: Path) -> dict[int, F64]:
    """Embeds the recording's timbre, as the codec plays it on the notes of a scan, by octave."""
    pitches, held = ScanSpec().pitches, ScanSpec().held_s
    played = [(octave, pitch + 12 * octave) for octave in OCTAVES for pitch in pitches]
    notes = [
        {"onset": index * held, "duration": held, "pitch": pitch, "velocity": 127}
        for index, (_, pitch) in enumerate(played)
    ]
    phrase = {"seconds": len(notes) * held, "notes": notes}
    (folder / "scan.json").write_text(json.dumps(phrase), encoding="utf-8")
    _train("encode", *weights, "--out", str(folder / "factors"), "--", recording)
    flat = ["--attack-ms", "0", "--decay-ms", "0", "--sustain", "1", "--release-ms", "0", "--octave", "0"]
    sound = ["--notes", str(folder / "scan.json"), *flat, "--out", str(folder / "tones.wav")]
    _train("decode", *weights, str(folder / "factors"), *sound)
    tones, rate = soundfile.read(folder / "tones.wav", dtype="float32")
    places = {}
    for octave in OCTAVES:
        starts = [index for index, (of, _) in enumerate(played) if of == octave]
        cut = [
            tones[round((i * held + SKIPPED_S) * rate) : round(((i + 1) * held - SPARED_S) * rate)]
            for i in starts
        ]
        if (place := embed_tones(cut, rate)) is not None:
            places[octave] = place
    return places


def _read(recording: Path) -> tuple[F32, int]:
    if not recording.is_file():
        raise InputError(f"{recording}: no such file")
    try:
        with soundfile.SoundFile(recording) as file:
            most = round(LONGEST_S * file.samplerate)
            sound = file.read(most + 1, dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise InputError(f"{recording}: not a readable audio file ({error})") from None
    if len(sound) > most:
        raise InputError(f"{recording}: longer than {LONGEST_S:g} s; cut out the phrase that is meant")
    if not np.isfinite(sound).all() or not np.any(sound):
        raise InputError(f"{recording}: silent, or holds samples that are not finite")
    return sound.mean(axis=1), rate
