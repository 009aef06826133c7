"""A zero-phase high-pass filter: what stands below the audible range must not decide a score."""

from __future__ import annotations

from manifests.types import InputError
from train.metrics.tracker import F64


def high_pass(audio: F64, rate: int, hertz: float, order: int) -> F64:
    """Filters audio, float64 [samples] at `rate` Hz, by a Butterworth high-pass, forwards and backwards.

    The phase is kept. The gain at `hertz` is -6 dB, and falls by 12 dB per octave and `order` below.

    Raises InputError if scipy is not installed.

    Example: `high_pass(np.full(44_100, 0.1), 44_100, 45.0, 2)` is 0 everywhere.
    """
    try:
        from scipy.signal import butter, sosfiltfilt
    except ModuleNotFoundError:
        raise InputError("scoring needs scipy: pip install 'triptych-audio[train]'") from None
    sections = butter(order, hertz, "highpass", fs=rate, output="sos")
    # The ends go on as constants, so that an offset has no edge there.
    padding = min(len(audio) - 1, round(4 * rate / hertz))
    filtered: F64 = sosfiltfilt(sections, audio, padtype="constant", padlen=padding)
    return filtered
