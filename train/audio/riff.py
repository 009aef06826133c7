"""Finds the samples of a WAV file whose sizes are wrong: never filled in, unknown when written, or cut."""

from __future__ import annotations

import mmap

from train.audio.parts import Part, Span

UNKNOWN = 0xFFFFFFFF
"""The size that is written while the true one is not known, or does not fit."""
TRAILING = (
    *(b"LIST", b"id3 ", b"ID3 ", b"bext", b"cue ", b"smpl", b"inst", b"fact", b"JUNK", b"junk", b"PAD "),
    *(b"iXML", b"axml", b"acid", b"umid", b"afsp", b"DISP", b"minf", b"elm1", b"regn", b"_PMX", b"FLLR"),
    *(b"PEAK", b"chna", b"levl", b"plst", b"adtl", b"strc", b"wavl"),
)
"""Names of chunks that may follow the samples."""
SEARCHED = 16 << 20
"""Bytes at a file's end in which chunks behind the samples are searched."""


def riff_part(data: mmap.mmap) -> tuple[Part | None, str]:
    """Returns the part of a WAV file that holds its samples, and what was changed, in words.

    Without a part, libsndfile reads the file as it is: its sizes are right, or it is cut or has no samples.
    """
    at = 12
    while at + 8 <= len(data) and data[at : at + 4] != b"data":
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    if at + 8 > len(data):
        return None, ""
    begin, size = at + 8, int.from_bytes(data[at + 4 : at + 8], "little")
    stated = begin + size
    if size not in (0, UNKNOWN) and stated <= len(data) and _ends_well(data, stated):
        return None, ""
    if size == 0 and _ends_well(data, begin):
        return None, ""
    end = _end_of_samples(data, begin)
    if stated > len(data) and size != UNKNOWN and end == len(data):
        return None, f"its header states {size} bytes of samples, {end - begin} are there"
    header = data[: at + 4] + min(end - begin, UNKNOWN).to_bytes(4, "little")
    return (header, Span(begin, end)), "its header states a wrong size; all samples that are there were read"


def _ends_well(data: mmap.mmap, at: int) -> bool:
    """Returns whether the file ends at byte `at` or the next one, or chunks reach from there to its end."""
    return any(_chunks_end(data, place) for place in (at, at + 1))


def _chunks_end(data: mmap.mmap, at: int) -> bool:
    while at < len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if len(data) - at < 8:
            # Players ignore a few bytes at the end, which some writers leave.
            return not any(data[at:])
        if name not in TRAILING and not (name.isascii() and name.decode().isprintable()):
            return False
        at += 8 + size + size % 2
    return at <= len(data) + 1


def _end_of_samples(data: mmap.mmap, begin: int) -> int:
    """Returns where the samples end: at the first of the chunks that reach the file's end, or there."""
    first = max(begin, len(data) - SEARCHED)
    ends = [len(data)]
    for name in TRAILING:
        at = data.find(name, first)
        while at >= 0:
            if _chunks_end(data, at):
                ends.append(at)
                break
            at = data.find(name, at + 1)
    return min(ends)
