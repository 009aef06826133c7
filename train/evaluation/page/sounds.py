"""A sound as the page holds it: its audio as FLAC, its spectrogram as PNG."""

from __future__ import annotations

import base64
import io
from functools import cache

import numpy as np
import numpy.typing as npt
import soundfile
from PIL import Image

from train.audio.files import headroom

Audio = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

COLUMNS = 320
"""Width of a spectrogram, pixels."""
ROWS = 144
"""Height of a spectrogram, pixels."""
LOWEST_HZ = 50.0
HIGHEST_HZ = 18_000.0
RANGE_DB = 75.0
"""Range of levels that the colours span."""
WINDOW = 2048
FFT = 8192
COLORMAP = "magma"
"""matplotlib's: perceptually uniform, from dark to light."""


def data_url(media_type: str, data: bytes) -> str:
    """Encodes bytes as a `data:` URL.

    Example:
        >>> data_url("text/plain", b"hi")
        'data:text/plain;base64,aGk='
    """
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def encode_flac(audio: Audio, rate: int) -> bytes:
    """Encodes mono audio as 16-bit FLAC.

    Args:
        audio: float32 [samples], full scale 1. Audio that exceeds full scale is attenuated to fit. Multiples
            of 1/32768 come back as they were.
        rate: Sample rate, Hz.
    """
    pcm = np.clip(np.rint(audio.astype(np.float64) * 32768 * headroom(audio)), -32768, 32767).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, pcm, rate, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return file.getvalue()


def _highest(rate: int) -> float:
    return min(HIGHEST_HZ, rate / 2)


def frequency_height(hertz: float, rate: int) -> float:
    """Returns where a frequency lies on a spectrogram's axis: 0 at the bottom, 1 at the top."""
    return float(np.log(hertz / LOWEST_HZ) / np.log(_highest(rate) / LOWEST_HZ))


def log_frequency_power(audio: Audio, rate: int) -> F64:
    """Computes a power spectrogram on a logarithmic frequency axis.

    Each value is the highest power of the STFT bins (Hann window, `WINDOW` samples) that fall into its row.

    Args:
        audio: float32 [samples], at least one.
        rate: Sample rate, Hz.

    Returns:
        Power, float64 [`ROWS` from low to high, `COLUMNS`].
    """
    padded = np.pad(audio.astype(np.float64), WINDOW // 2)
    starts = np.arange(COLUMNS) * len(audio) // COLUMNS
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[starts]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), FFT, axis=-1)) ** 2
    hertz = LOWEST_HZ * (_highest(rate) / LOWEST_HZ) ** (np.arange(ROWS) / ROWS)
    bins = np.minimum(hertz * FFT / rate, spectrum.shape[1] - 1).astype(np.int64)
    return np.asarray(np.maximum.reduceat(spectrum, bins, axis=1).T)


def spectrogram_png(power_db: F64, top_db: float) -> bytes:
    """Draws a spectrogram as PNG with a palette, low frequencies at the bottom.

    Args:
        power_db: [rows from low to high, columns], dB.
        top_db: The level of the lightest colour; the darkest is `RANGE_DB` below.
    """
    level = np.clip((power_db - top_db) / RANGE_DB + 1.0, 0.0, 1.0)
    image = Image.fromarray(np.rint(level[::-1] * 255.0).astype(np.uint8))
    image.putpalette(_palette())
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return file.getvalue()


@cache
def _palette() -> bytes:
    """Returns 256 colours as RGB bytes."""
    # Here, since no other command of `train` needs matplotlib.
    from matplotlib import colormaps

    return bytes(colormaps[COLORMAP](np.arange(256), bytes=True)[:, :3].tobytes())
