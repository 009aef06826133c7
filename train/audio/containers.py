"""Finds the audio in files whose headers do not say where it is, and hands it to libsndfile as it should be.

libsndfile believes headers. It reads a fifth of a joined MP3, nothing of a WAV whose size was never filled
in, and the chunks behind the data of a streamed one as sound. Here each such file becomes one or more
`Part`s: bytes of the file, with a header in front where it lacks a right one. All other files are handed over
as they are.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.audio.mpeg import begins_mpeg, behind_tag, mpeg_parts
from train.audio.parts import Part, Span
from train.audio.riff import riff_part

_FLAC = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
_OGG_FIRST_PAGE = b"OggS\x00\x02"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds: None to read it as it is, or parts to read in order. `changes` says what is new."""

    parts: list[Part] | None
    changes: list[str]


class PartFile(io.RawIOBase):
    """A part of a mapped file as a file of its own, which libsndfile reads. Makes no copy of the audio."""

    def __init__(self, data: mmap.mmap, part: Part) -> None:
        self._data, self._part, self._at = data, part, 0
        self._ends: list[int] = []
        length = 0
        for piece in part:
            length += len(piece)
            self._ends.append(length)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Reads into a buffer of bytes; returns how many were read, 0 at the end."""
        stop = min(self._at + len(buffer), self._ends[-1])
        begin, filled = 0, 0
        for piece, end in zip(self._part, self._ends, strict=True):
            if end > self._at and begin < stop:
                first, last = max(self._at, begin) - begin, min(stop, end) - begin
                if isinstance(piece, bytes):
                    found = piece[first:last]
                else:
                    found = self._data[piece.start + first : piece.start + last]
                buffer[filled : filled + len(found)] = found
                filled += len(found)
            begin = end
        self._at += filled
        return filled


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap | None]:
    """Maps a file into memory to read; yields None if it is empty."""
    with path.open("rb") as file:
        if file.seek(0, io.SEEK_END) == 0:
            yield None
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def contents_of(data: mmap.mmap) -> Contents:
    """Finds the audio of a mapped file.

    Example::

        with mapped(path) as data:
            parts = contents_of(data).parts
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        part, change = riff_part(data)
        return Contents(None if part is None else [part], [change] if change else [])
    behind = behind_tag(data, 0)
    if behind and data[behind : behind + 4] == b"fLaC":
        return Contents([(Span(behind, len(data)),)], [])
    if begins_mpeg(data):
        return Contents(*mpeg_parts(data))
    if data[:4] == b"OggS":
        return _joined(data, _first_pages(data))
    if data[:4] == b"fLaC":
        return _joined(data, _places(data, _FLAC))
    return Contents(None, [])


def _joined(data: mmap.mmap, starts: list[int]) -> Contents:
    """Splits a file at the places where another file begins."""
    if len(starts) < 2:
        return Contents(None, [])
    ends = [*starts[1:], len(data)]
    parts: list[Part] = [(Span(start, end),) for start, end in zip(starts, ends, strict=True)]
    return Contents(parts, [f"{len(parts)} files joined in one, all read"])


def _places(data: mmap.mmap, marks: tuple[bytes, ...]) -> list[int]:
    found = []
    for mark in marks:
        at = data.find(mark)
        while at >= 0:
            found.append(at)
            at = data.find(mark, at + 1)
    return sorted(found)


def _first_pages(data: mmap.mmap) -> list[int]:
    """Returns where the streams of an Ogg file begin; several first pages in a row begin one stream."""
    places = [at for at in _places(data, (_OGG_FIRST_PAGE,)) if at + 27 <= len(data)]
    starts: list[int] = []
    behind = -1
    for at in places:
        if at != behind:
            starts.append(at)
        segments = data[at + 26]
        behind = at + 27 + segments + sum(data[at + 27 : at + 27 + segments])
    return starts
