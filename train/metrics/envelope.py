"""Envelope metrics: gain curves of two envelopes on one standard note, and errors of their parameters.

The envelope of a sound is estimated from its audio and note times (`manifests.estimation.estimate`). The
standard note is held for 500 ms, with 500 ms after it. Gain curves on it say how different two envelopes
sound. Differences of parameters do not: 10 ms matter in an attack of 5 ms, and a decay to a sustain level of
1 is inaudible.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from manifests.estimation.estimate import EnvelopeEstimate, estimate_envelope
from manifests.synthesis.envelope import gain_curve
from manifests.types import DEFAULT_CURVE, Curve, Envelope, InputError, Note

F64 = npt.NDArray[np.float64]

GATE_MS = 500.0
TAIL_MS = 500.0
FLOOR_DB = -60.0
STEP_MS = 1.0

NO_SOUND = 1e-5
"""RMS below which (-100 dBFS) a sound has no envelope."""

RUMBLE_HZ = 20.0
"""What lies below is not heard: a constant that stands, or is ramped to 0, is no note and no release."""


def gain_db(envelope: Envelope | None) -> F64:
    """Computes the gain on the standard note: dB, floored at -60, float64 [1000]. None stands for silence."""
    time = (np.arange(round((GATE_MS + TAIL_MS) / STEP_MS)) + 0.5) * STEP_MS
    if envelope is None:
        return np.full(len(time), FLOOR_DB)
    gain = gain_curve(envelope, GATE_MS, time)
    return np.asarray(20.0 * np.log10(np.maximum(gain, 10.0 ** (FLOOR_DB / 20.0))))


def gain_error_db(estimate: Envelope | None, target: Envelope, tail: bool = True) -> float:
    """Computes the mean absolute difference of two gain curves on the standard note: dB, 0..60.

    Without `tail`, the 500 ms after note-off do not count: where a release is inaudible.

    Example: `gain_error_db(envelope, envelope)` is 0.0.
    """
    apart = np.abs(gain_db(estimate) - gain_db(target))
    return float(np.mean(apart if tail else apart[: round(GATE_MS / STEP_MS)]))


def without_rumble(sound: F64, rate: int) -> F64:
    """Filters a sound [samples] by a first-order Butterworth high-pass at 20 Hz, forwards and backwards.

    It hardly rings, unlike the sharper `train.audio.highpass`: a ring would be read as a release. The ends go
    on as constants, so that an offset has no edge there.

    Raises InputError if scipy is not installed.

    Example: `without_rumble(np.full(44_100, 0.1), 44_100)` is 0 everywhere.
    """
    try:
        from scipy.signal import butter, sosfiltfilt
    except ModuleNotFoundError:
        raise InputError("scoring needs scipy: pip install 'triptych-audio[train]'") from None
    sections = butter(1, RUMBLE_HZ, "highpass", fs=rate, output="sos")
    padding = min(len(sound) - 1, round(4 * rate / RUMBLE_HZ))
    return np.asarray(sosfiltfilt(sections, sound, padtype="constant", padlen=padding))


def measure_envelope(
    audio: npt.ArrayLike, notes: Sequence[Note], rate: int, cut_fade_ms: float, curve: Curve = DEFAULT_CURVE
) -> EnvelopeEstimate | None:
    """Estimates the envelope of mono audio [samples] at `rate` Hz that plays `notes`.

    `cut_fade_ms` is the fade before a new onset, and `curve` the segments' shape. What lies below 20 Hz is
    filtered out first. Returns None without notes, for silence, or where the estimate fails. Raises
    InputError if scipy is not installed.

    Example: `measure_envelope(audio, notes, 44_100, 5.0)`
    """
    sound = np.asarray(audio, dtype=np.float64)
    if not notes or not len(sound) or float(np.sqrt(np.mean(sound**2))) < NO_SOUND:
        return None
    try:
        heard = without_rumble(sound, rate)
        return estimate_envelope(heard, notes, rate, cut_fade_ms, curve, quick=True)
    except InputError as error:
        if "scipy" in str(error):
            raise
        return None


def parameter_errors(estimate: EnvelopeEstimate | None, target: EnvelopeEstimate) -> dict[str, float]:
    """Computes the errors of the parameters that are audible in the target, by name.

    `attack_ms`, `decay_ms` (hold plus decay: from full level to the sustain level) and `release_ms` are in
    ms, `sustain_db` in dB, floored at -60. An error is nan where the parameter is inaudible in the estimate.
    `target.envelope` may hold true values.
    """
    values: dict[str, float] = {}
    nothing = float("nan")
    ours = estimate.envelope if estimate else None
    theirs = target.envelope
    if target.attack_seen:
        audible = estimate and estimate.attack_seen
        values["attack_ms"] = abs(ours.attack_ms - theirs.attack_ms) if ours and audible else nothing
    if target.decay_seen:
        audible = estimate and estimate.decay_seen
        fall = theirs.hold_ms + theirs.decay_ms
        values["decay_ms"] = abs(ours.hold_ms + ours.decay_ms - fall) if ours and audible else nothing
    if target.sustain_seen:
        audible = estimate and estimate.sustain_seen
        level = sustain_db(theirs)
        values["sustain_db"] = abs(sustain_db(ours) - level) if ours and audible else nothing
    if target.release_seen:
        audible = estimate and estimate.release_seen
        values["release_ms"] = abs(ours.release_ms - theirs.release_ms) if ours and audible else nothing
    return values


def sustain_db(envelope: Envelope) -> float:
    """Computes the sustain level in dB, floored at -60."""
    return float(20.0 * np.log10(max(envelope.sustain, 10.0 ** (FLOOR_DB / 20.0))))
