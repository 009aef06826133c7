"""Hears a recording: its sound, and the notes and the envelope that the released codec hears in it.

The codec is part of `train`, which this package does not import: it runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from manifests.child_process import environment, module_command
from manifests.types import Envelope, InputError, Note, Notes

F32 = npt.NDArray[np.float32]

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
    """

    sound: F32
    rate: int
    notes: Notes
    envelope: Envelope
    doubts: tuple[str, ...]


def hear(recording: Path, checkpoint: Path | None = None) -> HeardRecording:
    """Hears a recording of one voice with the codec of a checkpoint, by default the released one.

    Raises InputError with one line if the file is missing, no audio, longer than `LONGEST_S` or silent, or if
    the extra `train` is not installed.

    Example: `hear(Path("a.wav")).envelope.release_ms`
    """
    sound, rate = _read(recording)
    options = ["--checkpoint", str(checkpoint)] if checkpoint is not None else []
    done = subprocess.run(
        module_command("train", "describe", *options, "--", str(recording.resolve())),
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    lines = done.stderr.strip().splitlines()
    if done.returncode:
        raise InputError((lines or ["describe failed"])[-1].removeprefix("error: "))
    heard: dict[str, Any] = json.loads(done.stdout)
    if not heard["notes"]:
        raise InputError(f"{recording}: no note is heard in it")
    doubts = tuple(line.removeprefix("warning: ") for line in lines if line.startswith("warning: "))
    notes = tuple(Note(**note) for note in heard["notes"])
    return HeardRecording(sound, rate, notes, Envelope(**heard["envelope"]), doubts)


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
