"""Envelope metrics: two envelopes are compared on one note, the same for all of them.

The envelope of a sound is estimated from audio and note times (`estimation.estimate`); comparing gain
curves on a note of 500 ms with 500 ms after it says how different two envelopes sound, where differences
of their numbers do not: 10 ms matter in an attack of 5 ms, and a decay onto a sustain of 1 is no decay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from manifests.estimation.estimate import EnvelopeEstimate, estimate_envelope
from manifests.synthesis.envelope import gain_curve
from manifests.types import Curve, Envelope, InputError, Note

F64 = npt.NDArray[np.float64]

GATE_MS = 500.0
TAIL_MS = 500.0
FLOOR_DB = -60.0
STEP_MS = 1.0

NO_SOUND = 1e-5
"""A sound whose RMS is below this (-100 dBFS) has no envelope."""


def gain_db(envelope: Envelope | None) -> F64:
    """The gain on the standard note in dB, floored at -60, [1000]; None stands for silence."""
    time = (np.arange(round((GATE_MS + TAIL_MS) / STEP_MS)) + 0.5) * STEP_MS
    if envelope is None:
        return np.full(len(time), FLOOR_DB)
    gain = gain_curve(envelope, GATE_MS, time)
    return np.asarray(20.0 * np.log10(np.maximum(gain, 10.0 ** (FLOOR_DB / 20.0))))


def gain_error_db(estimate: Envelope | None, target: Envelope, tail: bool = True) -> float:
    """Mean absolute difference of two gain curves on the standard note, in dB: 0..60.

    Without `tail` the 500 ms after note-off are left out: for targets that let no release be heard.
    """
    apart = np.abs(gain_db(estimate) - gain_db(target))
    return float(np.mean(apart if tail else apart[: round(GATE_MS / STEP_MS)]))


def hear_envelope(
    audio: npt.ArrayLike, notes: Sequence[Note], rate: int, cut_fade_ms: float, curve: Curve = "linear"
) -> EnvelopeEstimate | None:
    """The envelope of a sound [samples] that plays `notes`; None where there is no note or no sound."""
    sound = np.asarray(audio, dtype=np.float64)
    if not notes or not len(sound) or float(np.sqrt(np.mean(sound**2))) < NO_SOUND:
        return None
    try:
        return estimate_envelope(sound, notes, rate, cut_fade_ms, curve, quick=True)
    except InputError as error:
        if "scipy" in str(error):
            raise
        return None


def part_errors(estimate: EnvelopeEstimate | None, target: EnvelopeEstimate) -> dict[str, float]:
    """Errors of the parts that the target lets one hear; nan where the estimate alone does not.

    `attack_ms`, `decay_ms` (hold and decay together: the way from full level to the sustain level) and
    `release_ms` in ms, `sustain_db` in dB, floored at -60. `target.envelope` may hold true values.
    """
    values: dict[str, float] = {}
    nothing = float("nan")
    ours = estimate.envelope if estimate else None
    theirs = target.envelope
    if target.attack_seen:
        heard = estimate and estimate.attack_seen
        values["attack_ms"] = abs(ours.attack_ms - theirs.attack_ms) if ours and heard else nothing
    if target.decay_seen:
        heard = estimate and estimate.decay_seen
        fall = theirs.hold_ms + theirs.decay_ms
        values["decay_ms"] = abs(ours.hold_ms + ours.decay_ms - fall) if ours and heard else nothing
    if target.sustain_seen:
        heard = estimate and estimate.sustain_seen
        level = sustain_db(theirs)
        values["sustain_db"] = abs(sustain_db(ours) - level) if ours and heard else nothing
    if target.release_seen:
        heard = estimate and estimate.release_seen
        values["release_ms"] = abs(ours.release_ms - theirs.release_ms) if ours and heard else nothing
    return values


def sustain_db(envelope: Envelope) -> float:
    """The sustain level in dB, floored at -60."""
    return float(20.0 * np.log10(max(envelope.sustain, 10.0 ** (FLOOR_DB / 20.0))))
