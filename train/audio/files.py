"""Reads and writes audio files: any format of libsndfile, as mono float32 at the rate asked for."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from manifests.dataset import files
from manifests.types import InputError
from train.audio.resampling import Audio, resample

Float = npt.NDArray[np.floating[Any]]


def read_audio(path: Path) -> tuple[Audio, int]:
    """Reads a file as mono float32 [n] at full scale 1 (the mean of its channels), and its rate in Hz.

    Raises InputError if the file is missing, no audio, empty, or holds samples that are not finite.

    Example: `audio, rate = read_audio(Path("a.wav"))`
    """
    samples, rate = read_channels(path)
    return np.asarray(samples.mean(axis=1), dtype=np.float32), rate


def read_channels(path: Path) -> tuple[Audio, int]:
    """Reads a file as float32 [n, channels], and its rate in Hz.

    Raises InputError if the file is missing, no audio, empty, or holds samples that are not finite.
    """
    with _opened(path) as file:
        samples, rate = file.read(dtype="float32", always_2d=True), int(file.samplerate)
    if len(samples) == 0:
        raise InputError(f"{path}: holds no samples")
    if not np.isfinite(samples).all():
        raise InputError(f"{path}: holds samples that are not finite (NaN or infinite)")
    return samples, rate


def check_audio(path: Path) -> None:
    """Checks a file's header, before many files are read.

    Raises InputError if the file is missing, no audio, or empty.
    """
    with _opened(path) as file:
        if int(file.frames) <= 0:
            raise InputError(f"{path}: holds no samples")


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with soundfile.SoundFile(path) as file:
            yield file
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable audio file ({str(error).splitlines()[0]})") from None


class FileAudio(NamedTuple):
    """A file's mono audio, float32 [n], at the rate asked for, and the file's own rate (Hz) and channels."""

    audio: Audio
    rate: int
    channels: int


PIECE_S = 60
"""Seconds that are read and resampled at a time."""


def read_recording(path: Path, wanted: int) -> FileAudio:
    """Reads a file of any length as mono float32 [n] at `wanted` Hz. Long audio is kept on disk (`scratch`).

    Raises the errors of `read_audio`, and InputError if the file is truncated.

    Example: `read_recording(Path("a.mp3"), 44_100).audio`
    """
    with _opened(path) as file:
        rate, frames, channels = int(file.samplerate), int(file.frames), int(file.channels)
        if frames <= 0:
            raise InputError(f"{path}: holds no samples")
        step = rate // math.gcd(rate, wanted)
        margin = -(-rate // (2 * step)) * step
        size = max(PIECE_S * rate // step, 1) * step
        audio = scratch(math.ceil(frames * wanted / rate))
        for start in range(0, frames, size):
            before, stop = max(start - margin, 0), min(start + size, frames)
            after = min(stop + margin, frames)
            file.seek(before)
            piece = file.read(after - before, dtype="float32", always_2d=True).mean(axis=1)
            if len(piece) != after - before:
                raise InputError(
                    f"{path}: truncated: {before + len(piece)} samples, its header says {frames}"
                )
            if not np.isfinite(piece).all():
                raise InputError(f"{path}: holds samples that are not finite (NaN or infinite)")
            first, last = start * wanted // rate, math.ceil(stop * wanted / rate)
            skipped = (start - before) * wanted // rate
            audio[first:last] = resample(piece, rate, wanted)[skipped : skipped + last - first]
    return FileAudio(audio, rate, channels)


ON_DISK_S = 600.0
"""Seconds (at 44.1 kHz) beyond which a sound is kept in a file rather than in memory."""


def scratch(samples: int) -> Audio:
    """Allocates zeros, float32 [samples]. Long arrays lie in an unnamed file, which disappears with them."""
    if samples <= ON_DISK_S * 44_100:
        return np.zeros(samples, dtype=np.float32)
    with tempfile.TemporaryFile() as file:
        file.truncate(4 * samples)
        return np.memmap(file, dtype=np.float32, mode="r+", shape=(samples,))


LARGEST_PCM16 = 32767.0 / 32768.0
"""The largest sample of a 16-bit file."""


def headroom(audio: Audio) -> float:
    """Computes the factor, at most 1, that keeps a sound [n] within full scale. Conversions may exceed it."""
    peak = peak_of(audio)
    return LARGEST_PCM16 / peak if peak > 1.0 else 1.0


def peak_of(audio: Float) -> float:
    """Returns the largest magnitude of a sound [n], or 0 if it is empty."""
    return max((float(np.max(np.abs(part))) for part in _parts(audio)), default=0.0)


def format_of(path: Path) -> str:
    """Returns libsndfile's name of the format of a .wav or .flac file; raises InputError for other names."""
    kind = {".wav": "WAV", ".flac": "FLAC"}.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path}: expected a name that ends in .wav or .flac")
    return kind


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns errors of the block, which writes `path`, into an InputError of one line."""
    try:
        yield
    except (OSError, soundfile.SoundFileError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be written ({reason})") from None


def write_audio(path: Path, audio: Audio, rate: int) -> float:
    """Writes mono audio, float32 [n] at `rate` Hz, as 16-bit WAV or FLAC (by the name), whole or not at all.

    A sound that exceeds full scale is scaled down; returns the factor, at most 1. Raises InputError if the
    name has another ending, or the file cannot be written.

    Example: `write_audio(Path("y.wav"), audio, 44_100)`
    """
    kind, factor = format_of(path), headroom(audio)
    with writing(path), files.temporary(path.parent, path.name) as temporary:
        with soundfile.SoundFile(temporary, "w", rate, 1, "PCM_16", format=kind) as file:
            for part in _parts(audio):
                file.write(part if factor == 1.0 else part * np.float32(factor))
        temporary.replace(path)
    return factor


def _parts(audio: Float, size: int = 1 << 20) -> Iterator[Float]:
    """Yields a sound [n] in parts of `size` samples."""
    return (audio[at : at + size] for at in range(0, len(audio), size))
