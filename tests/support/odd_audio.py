"""Odd audio files as bytes: one sound in containers that state wrong sizes, lengths or rates."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import soundfile
from hypothesis import strategies as st

RATE = 44_100
LIST = b"LIST" + struct.pack("<I", 3000) + bytes((0x7F, 0x81)) * 1500
"""A chunk that is heard as a click where it is taken for samples."""


@lru_cache
def sound(seconds: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(0.3 * np.sin(2 * np.pi * 440 * time), dtype=np.float32)


def encoded(audio: np.ndarray, kind: str, rate: int = RATE, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, audio, rate, format=kind, subtype=subtype)
    return file.getvalue()


def wav(size: int | None = None, trailing: bytes = b"", audio: np.ndarray | None = None) -> bytes:
    """Returns a 16-bit WAV whose data chunk states `size`, with chunks behind it."""
    data = bytearray(encoded(sound() if audio is None else audio, "WAV", subtype="PCM_16"))
    at = data.index(b"data")
    if size is not None:
        data[at + 4 : at + 8] = struct.pack("<I", size)
    return bytes(data) + trailing


def flac_of_unknown_length() -> bytes:
    data = bytearray(encoded(sound(), "FLAC"))
    data[21] &= 0xF0  # the total of samples: 36 bits
    data[22:26] = bytes(4)
    return bytes(data)


def without_info(mp3: bytes) -> bytes:
    """Cuts off the first frame of an MP3, which states the number of frames."""
    return mp3[mp3.index(b"\xff\xfb", 4) :]


def at_rate(rate: int) -> bytes:
    """Returns a WAV whose header states a rate."""
    data = bytearray(wav())
    at = data.index(b"fmt ") + 8
    data[at + 4 : at + 12] = struct.pack("<II", rate, 2 * rate)
    return bytes(data)


WHOLE = {
    "size 0": wav(0),
    "size 0 and a chunk behind": wav(0, LIST),
    "size unknown": wav(0xFFFFFFFF),
    "size unknown and a chunk behind": wav(0xFFFFFFFF, LIST),
    "size too small": wav(1000),
    "size too large": wav(10**6),
    "size too large and a chunk behind": wav(10**6, LIST),
    "a chunk behind": wav(None, LIST),
    "chunks behind": wav(None, b"id3 " + struct.pack("<I", 3) + b"abc\0" + LIST),
    "FLAC of unknown length": flac_of_unknown_length(),
    "FLAC behind an ID3 tag": b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + encoded(sound(), "FLAC"),
}
"""Files that hold `sound()` in 16 bits, by what is odd about them."""

BAD = {
    "empty": (b"", "empty"),
    "text": (b"no sound\n" * 99, "not a readable audio file"),
    "1 Hz": (at_rate(1), "its header says 1 Hz"),
    "no samples": (wav(audio=sound()[:0]), "holds no samples"),
    "not a number": (encoded(np.full(99, np.nan, np.float32), "WAV", subtype="FLOAT"), "not finite"),
    "too large": (encoded(1e38 * sound(), "WAV", subtype="FLOAT"), "not audio"),
}
"""Files that are refused, and words of the reason."""


@st.composite
def good_files(draw: st.DrawFn) -> tuple[bytes, str]:
    """Draws sounds in the usual formats, as libsndfile writes them; returns the bytes and the format."""
    kind, subtype = draw(
        st.sampled_from(
            [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAVEX", "PCM_16"), ("FLAC", "PCM_16"),
             ("AIFF", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("AU", "PCM_16"),
             ("W64", "PCM_16")]
        )
    )  # fmt: skip
    channels, frames = draw(st.integers(1, 2)), draw(st.integers(1, 5000))
    rate = draw(st.sampled_from([8_000, 22_050, 44_100, 48_000]))
    noise = np.random.default_rng(draw(st.integers(0, 99))).uniform(-0.5, 0.5, (frames, channels))
    return encoded(noise.astype(np.float32), kind, rate, subtype), kind


@st.composite
def mangled(draw: st.DrawFn, whole: Sequence[bytes]) -> bytes:
    """Draws a file of `whole` with bytes of its beginning changed, cut out or put in, or cut off."""
    data = bytearray(draw(st.sampled_from(list(whole))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, min(len(data), 400)))
        match draw(st.sampled_from(["change", "remove", "insert", "cut"])):
            case "change":
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "remove":
                del data[at : at + draw(st.integers(1, 8))]
            case "insert":
                data[at:at] = draw(st.binary(max_size=8))
            case "cut":
                del data[draw(st.integers(1, max(len(data), 1))) :]
    return bytes(data)
