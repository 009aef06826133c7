"""Finds all frames of MP3 files: of joined ones, and of those with a wrong count of frames or none.

A decoder learns a file's length from an Info or Xing frame, or guesses it from the first frames. Here the
frames are counted, and a file that would be cut short gets an Info frame with the right count. Where another
Info frame begins, another file was joined to the first; it becomes a part of its own.

Frame headers: ISO/IEC 11172-3 and 13818-3. The Info frame: G. Bouvigne, "Mp3 Info Tag", rev 1.
"""

from __future__ import annotations

import mmap
from typing import NamedTuple

from train.audio.parts import Part, Span

_BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s by version (1, or 2 for 2 and 2.5) and layer."""
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Hz by the version's two bits: 3 is 1, 2 is 2, 0 is 2.5."""
_COUNT_ONLY = (1).to_bytes(4)
"""Flags of an Info frame that states the number of frames and nothing else."""
SEARCHED = 1 << 16
"""Bytes without a frame that are searched for the next one."""


class Frame(NamedTuple):
    """A frame: where it begins, its length in bytes, and what its header says.

    `stated` is the number of frames that an Info frame states; None for other frames.
    """

    start: int
    length: int
    header: int
    rate: int
    mono: bool
    samples: int
    stated: int | None


def begins_mpeg(data: mmap.mmap) -> bool:
    """Returns whether a file begins with an ID3 tag or with two frames of MPEG audio in a row."""
    return data[:3] == b"ID3" or _frame_before_another(data, 0) is not None


def mpeg_parts(data: mmap.mmap) -> tuple[list[Part] | None, list[str]]:
    """Splits an MPEG file into parts that a decoder reads whole, and says in words what was changed.

    Returns (None, []) for a file that a decoder reads whole as it is.
    """
    runs = _runs(_frames(data))
    if not runs:
        return None, []
    whole = [run[0].stated is not None and run[0].stated in (len(run) - 1, len(run)) for run in runs]
    if len(runs) == 1 and whole[0]:
        return None, []
    changes = []
    if len(runs) > 1:
        changes.append(f"{len(runs)} files joined in one, all read")
    if not all(whole):
        changes.append("its header does not state the length; all frames were counted and read")
    return [_part(run, is_whole) for run, is_whole in zip(runs, whole, strict=True)], changes


def _frames(data: mmap.mmap) -> list[Frame]:
    """Returns all frames in order; tags and damaged bytes between them are passed over."""
    frames: list[Frame] = []
    begin = behind_tag(data, 0)
    at = _next_frame(data, begin, begin - 1)
    if at > begin + SEARCHED:
        return []
    while at + 4 <= len(data):
        frame = _frame(data, at)
        if frame is not None and at + frame.length > len(data):
            break  # the file was cut
        if frame is None or not _fits(frames, frame):
            at = _next_frame(data, behind_tag(data, at), at)
            continue
        frames.append(frame)
        at += frame.length
    return frames


def behind_tag(data: mmap.mmap, at: int) -> int:
    """Returns the byte behind an ID3v2 tag that begins at byte `at`, or `at`."""
    if data[at : at + 3] != b"ID3" or at + 10 > len(data):
        return at
    size = 0
    for byte in data[at + 6 : at + 10]:
        size = size << 7 | byte & 0x7F
    return at + 10 + size


def _next_frame(data: mmap.mmap, at: int, before: int) -> int:
    """Returns where the next frame that another follows begins, from byte `at` on, but behind `before`."""
    at = max(at, before + 1)
    while 0 <= at < len(data):
        at = data.find(b"\xff", at)
        if at < 0:
            break
        if _frame_before_another(data, at) is not None:
            return at
        at += 1
    return len(data)


def _frame_before_another(data: mmap.mmap, at: int) -> Frame | None:
    frame = _frame(data, at)
    if frame is None:
        return None
    behind = at + frame.length
    return frame if behind >= len(data) - 3 or _frame(data, behind) is not None else None


def _fits(frames: list[Frame], frame: Frame) -> bool:
    """Returns whether a frame may follow the others: an Info frame, or one of the same rate and layer."""
    return not frames or frame.stated is not None or frame.rate == frames[-1].rate


def _frame(data: mmap.mmap, at: int) -> Frame | None:
    """Parses the frame at byte `at`; None if none begins there."""
    header = int.from_bytes(data[at : at + 4])
    version, layer = header >> 19 & 3, 4 - (header >> 17 & 3)
    bitrate, rate = header >> 12 & 15, header >> 10 & 3
    if at + 4 > len(data) or header >> 21 != 0x7FF or version == 1 or layer == 4:
        return None
    if bitrate in (0, 15) or rate == 3:
        return None
    kbits, hertz = _BITRATES[1 if version == 3 else 2, layer][bitrate - 1], _RATES[version][rate]
    padding = header >> 9 & 1
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    length = (
        (12_000 * kbits // hertz + padding) * 4 if layer == 1 else samples * 125 * kbits // hertz + padding
    )
    mono = header >> 6 & 3 == 3
    count = None
    if layer == 3:
        tag = at + 4 + _side_bytes(version, mono)
        if data[tag : tag + 4] in (b"Info", b"Xing"):
            flags = int.from_bytes(data[tag + 4 : tag + 8])
            count = int.from_bytes(data[tag + 8 : tag + 12]) if flags & 1 else 0
    return Frame(at, length, header, hertz, mono, samples, count)


def _side_bytes(version: int, mono: bool) -> int:
    """Returns the size of the side information of a layer III frame."""
    return (17 if mono else 32) if version == 3 else (9 if mono else 17)


def _runs(frames: list[Frame]) -> list[list[Frame]]:
    """Cuts frames where an Info frame begins another file."""
    runs: list[list[Frame]] = []
    for frame in frames:
        if not runs or frame.stated is not None:
            runs.append([])
        runs[-1].append(frame)
    return [run for run in runs if len(run) > (run[0].stated is not None)]


def _part(run: list[Frame], is_whole: bool) -> Part:
    spans: list[Span] = []
    sound = run if is_whole or run[0].stated is None else run[1:]
    for frame in sound:
        if spans and spans[-1].end == frame.start:
            spans[-1] = Span(spans[-1].start, frame.start + frame.length)
        else:
            spans.append(Span(frame.start, frame.start + frame.length))
    return tuple(spans) if is_whole else (_info_frame(sound[0], len(sound)), *spans)


def _info_frame(like: Frame, count: int) -> bytes:
    """Makes an Info frame that states `count` frames of the kind of another."""
    version, layer = like.header >> 19 & 3, 4 - (like.header >> 17 & 3)
    if layer != 3:
        return b""
    # The bitrate is large enough for the fields; no padding, no checksum.
    header = like.header & ~(15 << 12 | 1 << 9) | 9 << 12 | 1 << 16
    kbits = _BITRATES[1 if version == 3 else 2, 3][8]
    body = header.to_bytes(4) + bytes(_side_bytes(version, like.mono)) + b"Info" + _COUNT_ONLY
    return (body + count.to_bytes(4)).ljust(like.samples * 125 * kbits // like.rate, b"\0")
