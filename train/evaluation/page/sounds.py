"""What the page shows of a sound: its audio as FLAC, its spectrogram as PNG."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import soundfile

from train.audio.files import headroom

Audio = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

SPECTROGRAM_COLUMNS = 320
SPECTROGRAM_ROWS = 144
LOWEST_HZ = 50.0
HIGHEST_HZ = 18_000.0
RANGE_DB = 75.0
WINDOW = 2048
FFT = 8192

# Dark to light, perceptually even (after matplotlib's "magma", nine of its colours, interpolated).
_COLOURS = (
    (0, 0, 4), (28, 16, 68), (79, 18, 123), (129, 37, 129), (181, 54, 122),
    (229, 80, 100), (251, 135, 97), (254, 194, 135), (252, 253, 191),
)  # fmt: skip


def data_url(kind: str, data: bytes) -> str:
    """Bytes as a `data:` address of that media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def flac(audio: Audio, rate: int) -> bytes:
    """The sound as FLAC, 16 bit, softer if it does not fit. int16 / 32768 comes back as it was."""
    pcm = np.clip(np.rint(audio.astype(np.float64) * 32768 * headroom(audio)), -32768, 32767).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, pcm, rate, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return file.getvalue()


def _highest(rate: int) -> float:
    return min(HIGHEST_HZ, rate / 2)


def frequency_height(hertz: float, rate: int) -> float:
    """Where a frequency lies on a spectrogram's axis: 0 at the bottom, 1 at the top."""
    return float(np.log(hertz / LOWEST_HZ) / np.log(_highest(rate) / LOWEST_HZ))


def power(audio: Audio, rate: int) -> F64:
    """Power on a logarithmic frequency axis, [SPECTROGRAM_ROWS from low to high, SPECTROGRAM_COLUMNS]."""
    padded = np.pad(audio.astype(np.float64), WINDOW // 2)
    starts = np.arange(SPECTROGRAM_COLUMNS) * len(audio) // SPECTROGRAM_COLUMNS
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[starts]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), FFT, axis=-1)) ** 2
    hertz = LOWEST_HZ * (_highest(rate) / LOWEST_HZ) ** (np.arange(SPECTROGRAM_ROWS) / SPECTROGRAM_ROWS)
    bins = np.minimum(hertz * FFT / rate, spectrum.shape[1] - 1).astype(np.int64)
    return np.asarray(np.maximum.reduceat(spectrum, bins, axis=1).T)


def spectrogram_png(power_db: F64, top_db: float) -> bytes:
    """A spectrogram as PNG, low frequencies at the bottom: `RANGE_DB` below `top_db` is the darkest."""
    level = np.clip((power_db - top_db) / RANGE_DB + 1.0, 0.0, 1.0)
    return indexed_png(np.rint(level[::-1] * 255.0).astype(np.uint8), _palette())


def _palette() -> npt.NDArray[np.uint8]:
    places = np.linspace(0, 255, len(_COLOURS))
    colours = np.array(_COLOURS, dtype=np.float64).T
    channels = [np.interp(np.arange(256), places, channel) for channel in colours]
    return np.asarray(np.rint(np.stack(channels, axis=1)), dtype=np.uint8)


def indexed_png(pixels: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> bytes:
    """A PNG of `pixels` [height, width], each an index into `palette` [256, 3]; no date, no metadata."""
    height, width = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels], axis=1).tobytes()

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in parts)
