"""Measures one sound and compares two: every column of `train.metrics.catalogue`.

A metric that the target leaves undefined (no pitch, no audible release) is *absent* from the result, for
every system alike. A metric that the estimate alone leaves undefined is *nan*: a failure, which is counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from manifests.estimation.estimate import EnvelopeEstimate
from manifests.synthesis.compose import gain
from manifests.types import Envelope, Notes
from train.metrics.envelope import gain_error_db, measure_envelope, parameter_errors
from train.metrics.features import AudioFeatures
from train.metrics.loudness import QUIETEST
from train.metrics.onsets import onset_f1
from train.metrics.pitch import f0_rmse_cents, f_pitch, f_pitch_notes
from train.metrics.spectral import DETECTED_WITHIN_S, bridge_onsets, floored_mstft, score, spectral_features
from train.metrics.timbre import embedding_distance, mfcc_distance
from train.metrics.tracker import F64, HOP_S, Bools
from train.metrics.transcribe import transcribe

CUT_FADE_MS = 5.0
"""Assumed fade before a new onset, in ms, of recordings that do not state it."""

AUDIBLE = 10.0 ** (-30.0 / 20.0)
"""A held note whose gain is below this share of the highest has faded out: it needs no pitch."""


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What is known of a recording without measuring it: its sounding notes, perhaps its envelope."""

    notes: Notes
    envelope: Envelope | None = None
    cut_fade_ms: float = CUT_FADE_MS


@dataclass(frozen=True, slots=True)
class Measurement:
    """A sound as the metrics compare it: its features, and its envelope on the notes it should play."""

    features: AudioFeatures
    envelope: EnvelopeEstimate | None


@dataclass(frozen=True, slots=True)
class Target:
    """A target sound with its notes and envelope, true where they are known, else measured.

    Attributes:
        measured: The target's own measurement.
        notes: Its notes as they sound.
        notes_known: Whether the notes are ground truth rather than a transcription.
        cut_fade_ms: Fade before a new onset, in ms.
        envelope: Its envelope and which segments are audible, or None if it has none.
        audible: Bool [frames of `tracker`]: where a note is loud enough to have a pitch.
    """

    measured: Measurement
    notes: Notes
    notes_known: bool
    cut_fade_ms: float
    envelope: EnvelopeEstimate | None
    audible: Bools


def measure(features: AudioFeatures, notes: Notes, cut_fade_ms: float) -> Measurement:
    """Measures a sound that should play `notes`, with a fade of `cut_fade_ms` before each new onset.

    Raises InputError if scipy is not installed.
    """
    return Measurement(features, measure_envelope(features.audio, notes, features.rate, cut_fade_ms))


def measure_target(features: AudioFeatures, truth: GroundTruth | None) -> Target:
    """Measures a target. Without ground truth its notes are transcribed from the audio.

    Raises InputError if swift-f0 or scipy is not installed.

    Example: `measure_target(AudioFeatures(audio, 44_100), None).notes`
    """
    notes = truth.notes if truth else transcribe(features)
    fade = truth.cut_fade_ms if truth else CUT_FADE_MS
    measured = measure(features, notes, fade)
    envelope = measured.envelope
    if envelope is not None and truth is not None and truth.envelope is not None:
        envelope = replace(envelope, envelope=truth.envelope)
    samples = len(features.audio)
    audible = np.ones(len(features.pitch_track.midi), dtype=bool)
    if envelope is not None:
        curve = gain(notes, envelope.envelope, features.rate, samples, fade)
        at = np.minimum((np.arange(len(audible)) * HOP_S * features.rate).astype(np.int64), samples - 1)
        audible = curve[at] > AUDIBLE * float(curve.max(initial=0.0))
    return Target(measured, notes, truth is not None, fade, envelope, audible)


def compare(estimate: Measurement, target: Target, crepe: bool = False) -> dict[str, float]:
    """Computes every metric that the target defines, by name; nan where the estimate leaves it undefined.

    Both sounds must be equally long (`AudioFeatures.with_length`). `crepe` adds F0RMSE.

    Raises ValueError if their lengths differ.

    Example: `compare(measure(made, target.notes, target.cut_fade_ms), target)["mstft_floored"]`
    """
    ours, theirs = estimate.features, target.measured.features
    values: dict[str, float | None] = dict(score(ours.spectral, theirs.spectral))
    if target.envelope is not None:
        ours_envelope = estimate.envelope.envelope if estimate.envelope else None
        interrupted = estimate.envelope is not None and estimate.envelope.release_interrupted
        # Other sounds in the estimate's rests are judged by content metrics, not read as its release.
        tail = target.envelope.release_seen and not interrupted
        values["envelope_db"] = gain_error_db(ours_envelope, target.envelope.envelope, tail)
        values.update(parameter_errors(estimate.envelope, target.envelope))
    if theirs.timbre is not None:
        timbre = ours.timbre
        values["timbre"] = embedding_distance(timbre, theirs.timbre) if timbre else math.nan
        values["mfcc_db"] = mfcc_distance(timbre, theirs.timbre) if timbre else math.nan
    track = ours.pitch_track
    values["f_pitch"] = f_pitch(track, theirs.pitch_track)
    values["f_pitch_chroma"] = f_pitch(track, theirs.pitch_track, chroma=True)
    onsets: F64 = theirs.onsets
    if target.notes_known:
        values["f_pitch_notes"] = f_pitch_notes(track, target.notes, target.audible)
        values["f_pitch_notes_chroma"] = f_pitch_notes(track, target.notes, target.audible, chroma=True)
        onsets = np.array([note.onset for note in target.notes])
    values["onset_f1"] = onset_f1(ours.onsets, onsets)
    values["mstft_highpassed"] = floored_mstft(ours.spectral_highpassed, theirs.spectral_highpassed)
    margin = 0.0 if target.notes_known else DETECTED_WITHIN_S
    bridged = bridge_onsets(ours.audio, theirs.audio, onsets, theirs.rate, margin)
    values["mstft_bridged"] = floored_mstft(*(spectral_features(sound) for sound in bridged))
    if crepe:
        values["f0_rmse_cents"] = f0_rmse_cents(ours.crepe_track, theirs.crepe_track)
    if theirs.lufs > QUIETEST:
        values["loudness_lu"] = abs(ours.lufs - theirs.lufs)
    return {name: value for name, value in values.items() if value is not None}
