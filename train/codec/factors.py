"""Writes and reads a recording's factors as a folder, so that each can be exchanged or edited by hand.

    FOLDER/notes.json            length in seconds, and the phrase: its notes without the timbre's octave
    FOLDER/envelope.json         attack, hold, decay, release in ms, sustain, curve
    FOLDER/timbre.safetensors    the timbre's tensors for the decoder; its octave is in the metadata

Notes and envelopes fit any codec. A timbre can only be used by the weights that wrote it. The file holds
their SHA-256.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from manifests.dataset import files
from manifests.dataset.storage import utf8_name
from manifests.types import Envelope, InputError, Note, Notes, check_notes
from train.systems.base import Factors

NOTES, ENVELOPE, TIMBRE = "notes.json", "envelope.json", "timbre.safetensors"
VERSION = "1"


def notes_json(notes: Notes) -> list[dict[str, float | int]]:
    """Converts notes to JSON rows, times in seconds rounded to 0.1 ms."""
    return [
        {
            "onset": round(n.onset, 4),
            "duration": round(n.duration, 4),
            "pitch": n.pitch,
            "velocity": n.velocity,
        }
        for n in notes
    ]


def envelope_json(envelope: Envelope) -> dict[str, float | str]:
    """Converts an envelope to a JSON object, numbers rounded to 4 decimals."""
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in envelope.values().items()}


def save_factors(folder: Path, factors: Factors, rate: int, weights: str) -> None:
    """Writes the three files of a folder, or none.

    `rate` is the codec's sample rate in Hz, `weights` the SHA-256 of its checkpoint. Raises OSError if a file
    cannot be written.
    """
    phrase = {"seconds": factors.samples / rate, "notes": notes_json(factors.notes)}
    envelope = json.dumps(envelope_json(factors.envelope), indent=1)
    files.replace_all(
        {
            folder / NOTES: f"{json.dumps(phrase, indent=1)}\n".encode(),
            folder / ENVELOPE: f"{envelope}\n".encode(),
            folder / TIMBRE: timbre_file(factors, weights),
        }
    )


def timbre_file(factors: Factors, weights: str) -> bytes:
    """Returns the timbre of factors as the bytes of its file; `weights` is the checkpoint's SHA-256."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in factors.timbre.items()}
    metadata = {"triptych_timbre": VERSION, "octave": str(factors.octave), "weights": weights}
    return save(plain, metadata=metadata)


def read_notes(path: Path) -> tuple[Notes, float]:
    """Reads the phrase in a folder or file. Returns its notes and the length in seconds.

    Raises InputError if the file is missing or malformed, or the notes are no phrase of that length.
    """
    path = path / NOTES if path.is_dir() else path
    loaded = _read_json(path)
    try:
        seconds = float(loaded["seconds"])
        notes = tuple(
            Note(float(row["onset"]), float(row["duration"]), int(row["pitch"]), int(row["velocity"]))
            for row in loaded["notes"]
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: expected seconds and notes of onset, duration, pitch and velocity ({error!r})"
        ) from None
    if not 0.0 < seconds <= 86_400.0:
        raise InputError(f"{path}: seconds: expected more than 0 and at most a day, got {seconds}")
    try:
        return check_notes(trim_last_note(notes, seconds), seconds), seconds
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def trim_last_note(notes: Notes, seconds: float) -> Notes:
    """Ends the last note with the recording if rounding let it end up to 1 ms later."""
    if notes and 0.0 < notes[-1].off - seconds <= 1e-3:
        last = notes[-1]
        return (*notes[:-1], replace(last, duration=seconds - last.onset))
    return notes


def read_envelope(path: Path) -> Envelope:
    """Reads the envelope in a folder or file. Raises InputError if it is missing or malformed."""
    path = path / ENVELOPE if path.is_dir() else path
    loaded = _read_json(path)
    for name, value in loaded.items():
        if name != "curve" and type(value) not in (int, float):
            raise InputError(f"{path}: {name}: expected a number, got {value!r}")
    try:
        return Envelope(**loaded)
    except TypeError as error:
        message = str(error).rpartition("() ")[2] or str(error)
        raise InputError(f"{path}: {message}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def read_factors(folder: Path, rate: int, weights: str) -> Factors:
    """Reads the three files of a folder for a codec at `rate` Hz with the checkpoint SHA-256 `weights`.

    Raises InputError if a file is missing or malformed, or other weights wrote the timbre.
    """
    notes, seconds = read_notes(folder)
    timbre, octave = read_timbre(folder, weights)
    return Factors(notes, read_envelope(folder), timbre, octave, round(seconds * rate))


def read_timbre(path: Path, weights: str) -> tuple[dict[str, Tensor], int]:
    """Reads the timbre in a folder or file. Returns its tensors by name, and its octave.

    Raises InputError if the file is missing or malformed, or other weights wrote it.
    """
    path = path / TIMBRE if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{path}: no such file; `python -m train encode` makes it")
    try:
        with safe_open(utf8_name(path), framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({error})") from None
    if metadata.get("triptych_timbre") != VERSION:
        raise InputError(f"{path}: timbre format {metadata.get('triptych_timbre')!r}, expected {VERSION!r}")
    if metadata.get("weights") != weights:
        raise InputError(f"{path}: written by another checkpoint; encode the recording with this one")
    try:
        return tensors, int(metadata["octave"])
    except (KeyError, ValueError):
        raise InputError(f"{path}: the octave is missing in its metadata") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `python -m train encode` makes it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: expected an object")
    return loaded


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
