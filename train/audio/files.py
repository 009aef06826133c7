"""Reads and writes audio files: any format of libsndfile, as mono float32 at the rate asked for."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from manifests.dataset import files
from manifests.types import InputError
from train.audio.reading import Reader
from train.audio.resampling import Audio, resample

Float = npt.NDArray[np.floating[Any]]


class FileAudio(NamedTuple):
    """A file's mono audio, float32 [n], at the rate asked for, and the file's own rate (Hz) and channels.

    `changes` has a line of text for each thing that was done to it or left out.
    """

    audio: Audio
    rate: int
    channels: int
    changes: list[str]


PIECE_S = 60
"""Seconds that are resampled at a time."""


def read_audio(path: Path) -> tuple[Audio, int]:
    """Reads a file as mono float32 [n] at full scale 1 (the mean of its channels), and its rate in Hz.

    Raises InputError as `read_recording` does.

    Example: `audio, rate = read_audio(Path("a.wav"))`
    """
    read = read_recording(path, None)
    return read.audio, read.rate


def check_audio(path: Path) -> tuple[int, list[str]]:
    """Reads a file through, before many files are used; returns its rate in Hz and `FileAudio.changes`.

    Raises InputError as `read_recording` does.
    """
    with Reader.of(path) as reader:
        for _ in reader.blocks():
            pass
        return reader.rate, reader.changes()


def read_recording(path: Path, wanted: int | None) -> FileAudio:
    """Reads a file of any length as mono float32 [n] at `wanted` Hz, or at its own rate if that is None.

    What counts is the audio in the file, whatever its header says: wrong sizes, unknown lengths and joined
    files are read whole (`train.audio.containers`). Channels that cancel each other are not mixed: the
    loudest is taken. Long audio is kept on disk.

    Raises InputError if the file is missing, no audio, empty or damaged, if its rate cannot be, or if samples
    are not finite or beyond `LARGEST_SAMPLE`.

    Example: `read_recording(Path("a.mp3"), 44_100).audio`
    """
    with Reader.of(path) as reader:
        audio = _resampled(reader.blocks(), reader.rate, wanted or reader.rate)
        changes = reader.changes()
    if reader.cancelled:
        with Reader.of(path, reader.loudest) as reader_of_one:
            audio = _resampled(reader_of_one.blocks(), reader.rate, wanted or reader.rate)
    return FileAudio(audio, reader.rate, reader.channels, changes)


def _resampled(blocks: Iterator[Audio], rate: int, wanted: int) -> Audio:
    """Resamples audio that comes in blocks, float32 [n] each, piece by piece; returns float32 [n]."""
    step = rate // math.gcd(rate, wanted)
    margin = -(-rate // (2 * step)) * step
    size = max(PIECE_S * rate // step, 1) * step
    store = _Store()
    # `held` begins at sample `origin`; a piece of `size` samples from `start` on needs `margin` around it.
    held, origin, start, ended = np.zeros(0, dtype=np.float32), 0, 0, False
    while True:
        waiting = [held]
        while not ended and sum(map(len, waiting)) < start - origin + size + margin:
            block = next(blocks, None)
            ended = block is None
            waiting.append(held[:0] if block is None else block)
        held = np.concatenate(waiting)
        stop = min(start + size, origin + len(held))
        if stop <= start:
            return store.audio()
        before, after = max(start - margin, 0), min(stop + margin, origin + len(held))
        piece = resample(held[before - origin : after - origin], rate, wanted)
        first, last = start * wanted // rate, math.ceil(stop * wanted / rate)
        skipped = (start - before) * wanted // rate
        store.append(piece[skipped : skipped + last - first])
        start = stop
        keep = max(start - margin, origin)
        held, origin = held[keep - origin :], keep


ON_DISK_S = 600.0
"""Seconds (at 44.1 kHz) beyond which a sound is kept in a file rather than in memory."""


class _Store:
    """Collects a sound of unknown length: in memory, then in an unnamed file, which disappears with it."""

    def __init__(self) -> None:
        self._parts: list[Audio] = []
        self._samples = 0
        self._file: IO[bytes] | None = None

    def append(self, part: Audio) -> None:
        self._samples += len(part)
        if self._file is None and self._samples > ON_DISK_S * 44_100:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
            for earlier in self._parts:
                self._file.write(earlier.tobytes())
            self._parts = []
        if self._file is None:
            self._parts.append(part)
        else:
            self._file.write(part.tobytes())

    def audio(self) -> Audio:
        """Returns the sound, float32 [n]."""
        if self._file is None:
            return np.concatenate(self._parts) if self._parts else np.zeros(0, dtype=np.float32)
        with self._file as file:
            file.flush()
            return np.memmap(file, dtype=np.float32, mode="r+", shape=(self._samples,))


def scratch(samples: int) -> Audio:
    """Allocates zeros, float32 [samples]. Long arrays lie in an unnamed file, which disappears with them.

    Raises OSError if the disk has no space for them.
    """
    if samples <= ON_DISK_S * 44_100:
        return np.zeros(samples, dtype=np.float32)
    with tempfile.TemporaryFile() as file:
        # Space is reserved now: a page that the disk has no space for would end the process later.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, 4 * samples)
        else:
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
        with soundfile.SoundFile(os.fsencode(temporary), "w", rate, 1, "PCM_16", format=kind) as file:
            for part in _parts(audio):
                file.write(part if factor == 1.0 else part * np.float32(factor))
        temporary.replace(path)
    return factor


def _parts(audio: Float, size: int = 1 << 20) -> Iterator[Float]:
    """Yields a sound [n] in parts of `size` samples."""
    return (audio[at : at + size] for at in range(0, len(audio), size))
