"""Reads audio files in blocks, whatever their headers say, and tells what was done to them.

libsndfile decodes. Memory does not grow with the file: it is mapped, and read from its beginning to its end.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from manifests.types import InputError
from train.audio.containers import Contents, PartFile, contents_of, mapped
from train.audio.resampling import Audio

LONGEST_S = 6 * 3600
"""Seconds of a recording that are read; the rest is left out."""
RATES = (1_000, 768_000)
"""The lowest and the highest sample rate in Hz that a header may state."""
LARGEST_SAMPLE = 1e6
"""The largest sample of audio whose full scale is 1. Above, squares of it overflow."""
CANCELLED = 0.1
"""Where the mean of the channels has less than this share of their level, they cancel each other."""
UNKNOWN_LENGTH = 1 << 62
"""Frames that libsndfile states, or more, where a header states none."""


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read from its beginning to its end.

    After each read soundfile seeks to where it should be. Lengths that are unknown make that fail.
    """

    def seekable(self) -> bool:
        return False


class Reader:
    """Reads one file in blocks of mono audio, and measures it on the way.

    Example::

        with Reader.of(Path("a.mp3")) as reader:
            audio = np.concatenate(list(reader.blocks()))
    """

    BLOCK = 1 << 16

    def __init__(self, path: Path, data: mmap.mmap, contents: Contents, channel: int | None) -> None:
        self.path, self._data, self._contents, self._channel = path, data, contents, channel
        self.rate = self.channels = self.frames = 0
        self._cut = False
        self._other_formats = 0
        self._stated: int | None = None
        self._powers = np.zeros(1)
        """Sums of squares: of the mix, then of each channel."""

    @classmethod
    @contextmanager
    def of(cls, path: Path, channel: int | None = None) -> Iterator[Reader]:
        """Opens a file; `channel` is the one to read instead of the mean of all."""
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            with mapped(path) as data:
                if data is None:
                    raise InputError(f"{path}: holds no samples (the file is empty)")
                reader = cls(path, data, contents_of(data), channel)
                reader._open_first()
                yield reader
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
        except (soundfile.SoundFileError, RuntimeError) as error:
            reason = getattr(error, "error_string", "") or str(error) or type(error).__name__
            raise InputError(f"{path}: not a readable audio file ({reason})") from None

    def _sources(self) -> Iterator[_Stream]:
        if self._contents.parts is None:
            # As bytes, since names need not be UTF-8.
            with _Stream(os.fsencode(self.path)) as stream:
                yield stream
            return
        for part in self._contents.parts:
            with _Stream(PartFile(self._data, part)) as stream:
                yield stream

    def _open_first(self) -> None:
        with next(self._sources()) as stream:
            self.rate, self.channels = int(stream.samplerate), int(stream.channels)
            if self._contents.parts is None and 0 < stream.frames < UNKNOWN_LENGTH:
                self._stated = int(stream.frames)
        if not RATES[0] <= self.rate <= RATES[1]:
            raise InputError(
                f"{self.path}: its header says {self.rate} Hz; expected {RATES[0]}..{RATES[1]} Hz"
            )
        self._powers = np.zeros(1 + self.channels)

    def blocks(self) -> Iterator[Audio]:
        """Yields the audio, float32 [n] at the file's rate, in order.

        Raises InputError if it cannot be used.
        """
        for stream in self._sources():
            if (stream.samplerate, stream.channels) != (self.rate, self.channels):
                self._other_formats += 1
                continue
            if stream.frames < UNKNOWN_LENGTH:
                # A decoder of MP3 that was sought to its beginning rounds otherwise: so do soundfile.read and
                # earlier versions.
                stream.seek(0)
            while len(block := stream.read(self.BLOCK, dtype="float32", always_2d=True)):
                left = int(LONGEST_S * self.rate) - self.frames
                if len(block) > left:
                    block, self._cut = block[:left], True
                self.frames += len(block)
                yield self._mixed(block)
                if self._cut:
                    return
        if self.frames == 0:
            raise InputError(f"{self.path}: holds no samples")

    def _mixed(self, block: Audio) -> Audio:
        mono = np.asarray(
            block.mean(axis=1) if self._channel is None else block[:, self._channel], dtype=np.float32
        )
        if not np.isfinite(mono).all():
            raise InputError(f"{self.path}: holds samples that are not finite (NaN or infinite)")
        if (peak := float(np.abs(block).max())) > LARGEST_SAMPLE:
            raise InputError(f"{self.path}: holds samples of {peak:.3g}, where full scale is 1; not audio")
        if self.channels > 1:
            both = np.column_stack([mono, block]).astype(np.float64)
            self._powers += np.einsum("nc,nc->c", both, both)
        # Subnormal numbers are inaudible, and their reciprocals overflow.
        tiny = np.abs(mono) < np.finfo(np.float32).tiny
        return np.where(tiny, np.float32(0.0), mono) if (tiny & (mono != 0.0)).any() else mono

    @property
    def cancelled(self) -> bool:
        """Whether the channels cancel each other in their mean."""
        mix, *channels = self._powers
        return bool(self.channels > 1 and self._channel is None and mix < CANCELLED**2 * max(channels))

    @property
    def loudest(self) -> int:
        """The loudest channel, counted from 0."""
        return int(np.argmax(self._powers[1:]))

    def changes(self) -> list[str]:
        """Returns a line of text for each thing that was done to the file, once it is read."""
        changes = list(self._contents.changes)
        if self.cancelled:
            changes.append(
                f"{self.channels} channels cancel each other; channel {self.loudest + 1} is taken alone"
            )
        elif self.channels > 1:
            changes.append(f"{self.channels} channels, mixed to mono")
        if self._stated is not None and not self._cut and self.frames < self._stated:
            stated, there = self._stated / self.rate, self.frames / self.rate
            changes.append(f"its header says {stated:.2f} s, {there:.2f} s are there")
        if self._other_formats:
            changes.append(f"{self._other_formats} joined files of another rate or channels were left out")
        if self._cut:
            changes.append(f"longer than {LONGEST_S / 3600:g} h; the rest is left out")
        return changes
