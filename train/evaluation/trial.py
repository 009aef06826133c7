"""Scoring of one trial: conversions against the true answer, beside baselines and toplines.

A trial is one conversion with a known answer, by one system or several. It is scored in the same way whether
a codec converts pairs of a dataset (`train.evaluation.pairs`) or anything made audio files
(`train.evaluation.files`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.types import Envelope
from train.audio.files import peak_of
from train.data.pairs import TAKES
from train.evaluation.cases import hard_cases
from train.evaluation.transplant import AnnotatedAudio, match_octave, re_envelope, transplant
from train.metrics.catalogue import COLUMNS
from train.metrics.envelope import measure_envelope
from train.metrics.features import AudioFeatures
from train.metrics.measurement import CUT_FADE_MS, GroundTruth, compare, measure, measure_target
from train.metrics.transcribe import transcribe

Audio = npt.NDArray[np.float32]

ESTIMATE = "estimate"
"""The method name of a system that has no other."""

COPIES = ("copy_of_source", "copy_of_reference", "silence")
"""Trivial baselines."""

UNTRAINED = ("transplant", "transplant_known", "re_envelope", "re_envelope_known")
"""Baselines that need no training; `_known` uses true notes and envelopes, where they exist."""

TOPLINES = ("target", "another_take", "target_through_codec")
"""Scores of perfect conversions: the target itself, its cell from another take of the tones, and the target
converted to itself by a codec."""

BASELINES = (*COPIES, *UNTRAINED)
"""Methods that systems are compared with, pair by pair."""


def codec_topline(name: str, alone: bool) -> str:
    """Returns the method name of the target through codec `name`; `alone` if there is no other codec."""
    return TOPLINES[-1] if alone else f"{TOPLINES[-1]} {name}"


def is_topline(method: str) -> bool:
    """Returns whether a method is a topline: the score of a perfect conversion, not a conversion."""
    return method in TOPLINES or method.startswith(f"{TOPLINES[-1]} ")


def is_system(method: str) -> bool:
    """Returns whether a method is a system: neither baseline nor topline."""
    return method not in BASELINES and not is_topline(method)


NO_ENVELOPE = Envelope(attack_ms=1.0, decay_ms=0.0, sustain=1.0, release_ms=20.0)
"""The envelope assumed for a recording without any note."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One conversion with a known answer. All audio is mono float32 [samples], full scale 1.

    Attributes:
        split: Name of its split.
        kind: What is taken from the reference, see `train.data.pairs.TAKES`.
        pair: Name of source and reference.
        rate: Sample rate of all audio, Hz.
        source: The recording whose notes are kept.
        reference: The recording to take from.
        target: The true answer.
        estimates: The conversion by each system.
        timbre_cluster: Cluster of the target's timbre, for the intervals.
        phrase_cluster: Cluster of the target's phrase, for the intervals.
        target_id: Hash of a given target: pairs with one target count as one. Empty for pairs of a dataset.
        names: Clip or file of each sound, for messages.
        truths: True notes and envelopes of source, reference and target, where they are known.
        toplines: Audio of methods in `TOPLINES`.
        cases: Hard cases (`train.evaluation.cases`) that were stated beforehand.
    """

    split: str
    kind: str
    pair: str
    rate: int
    source: Audio
    reference: Audio
    target: Audio
    estimates: dict[str, Audio]
    timbre_cluster: str
    phrase_cluster: str
    names: dict[str, str]
    truths: dict[str, GroundTruth] = field(default_factory=dict)
    toplines: dict[str, Audio] = field(default_factory=dict)
    cases: tuple[str, ...] = ()
    target_id: str = ""


TrialJob = Callable[[], Trial]
"""A function that makes a trial; any thread may call it."""


class Score(NamedTuple):
    """One row of the table of scores.

    `status` is "scored", "failed" (the estimate leaves the metric undefined, `value` is nan) or "excluded"
    (the target does, hence for every method).
    """

    split: str
    kind: str
    pair: str
    method: str
    metric: str
    value: float
    status: str
    cases: str
    source: str
    reference: str
    target: str
    timbre_cluster: str
    phrase_cluster: str
    target_id: str


def annotate_estimated(audio: Audio, features: AudioFeatures) -> AnnotatedAudio:
    """Estimates the notes and the envelope of a recording, float32 [samples]."""
    notes = transcribe(features)
    estimate = measure_envelope(audio, notes, features.rate, CUT_FADE_MS)
    return AnnotatedAudio(audio, notes, estimate.envelope if estimate else NO_ENVELOPE)


def annotate_known(audio: Audio, truth: GroundTruth | None) -> AnnotatedAudio | None:
    """Annotate a recording with its true notes and envelope; None unless both are known."""
    return AnnotatedAudio(audio, truth.notes, truth.envelope) if truth and truth.envelope else None


def untrained_conversions(
    trial: Trial, source: AnnotatedAudio, reference: AnnotatedAudio
) -> dict[str, Audio]:
    """Makes the conversions that need no training, from estimated and, where known, from true annotations.

    Args:
        trial: The trial.
        source: The source with estimated notes and envelope.
        reference: The reference with estimated notes and envelope.

    Returns:
        Audio of each method of `UNTRAINED`, float32 [samples].
    """
    rate, takes = trial.rate, TAKES.get(trial.kind, TAKES["both"])

    def convert(
        source: AnnotatedAudio,
        reference: AnnotatedAudio,
        fade_ms: float,
        suffix: str,
        target: GroundTruth | None = None,
    ) -> dict[str, Audio]:
        envelope = (reference if "envelope" in takes else source).envelope
        donor = reference if "timbre" in takes else source
        # Phrases differ in register, so only the target tells the octave for certain.
        notes = match_octave(source.notes, target.notes if target else donor.notes)
        samples, peak = len(source.audio), peak_of(source.audio)
        return {
            f"transplant{suffix}": transplant(notes, envelope, donor, rate, samples, fade_ms, peak),
            f"re_envelope{suffix}": re_envelope(source, envelope, rate, fade_ms),
        }

    made = convert(source, reference, CUT_FADE_MS, "")
    true_source = annotate_known(trial.source, trial.truths.get("source"))
    true_reference = annotate_known(trial.reference, trial.truths.get("reference"))
    if true_source and true_reference:
        fade_ms, target = trial.truths["source"].cut_fade_ms, trial.truths.get("target")
        made |= convert(true_source, true_reference, fade_ms, "_known", target)
    return {name: made[name] for name in UNTRAINED if name in made}


@lru_cache(maxsize=2)
def silence_features(samples: int, rate: int) -> AudioFeatures:
    """Returns the features of silence; pairs of one length share them."""
    return AudioFeatures(np.zeros(samples), rate, "silence")


def method_features(trial: Trial) -> tuple[dict[str, AudioFeatures], AnnotatedAudio]:
    """Computes the features of every method's audio, systems first; and annotate the source.

    Returns:
        The features by method, and the source with true notes and envelope, or else estimated ones.

    Raises:
        InputError: Names a sound that cannot be scored.
    """
    rate, names = trial.rate, trial.names
    features = {
        name: AudioFeatures(audio, rate, names.get(name, name)) for name, audio in trial.estimates.items()
    }
    features["copy_of_source"] = AudioFeatures(trial.source, rate, names.get("source", "source"))
    features["copy_of_reference"] = AudioFeatures(trial.reference, rate, names.get("reference", "reference"))
    features["silence"] = silence_features(len(trial.target), rate)
    source = annotate_estimated(trial.source, features["copy_of_source"])
    reference = annotate_estimated(trial.reference, features["copy_of_reference"])
    made = untrained_conversions(trial, source, reference) | trial.toplines
    features |= {name: AudioFeatures(audio, rate, names.get(name, name)) for name, audio in made.items()}
    return features, annotate_known(trial.source, trial.truths.get("source")) or source


def score_trial(trial: Trial, crepe: bool = False) -> list[Score]:
    """Scores every method of a trial on every metric: systems first, then baselines and toplines.

    Args:
        trial: The trial.
        crepe: Whether to compute F0RMSE, too, which needs CREPE's network.

    Raises:
        InputError: Names a sound that cannot be scored.

    Example:
        >>> rows = score_trial(trial)
        >>> {row.method: row.value for row in rows if row.metric == "mstft_floored"}
    """
    features = AudioFeatures(trial.target, trial.rate, trial.names["target"])
    target = measure_target(features, trial.truths.get("target"))
    sounds, source = method_features(trial)
    samples = len(trial.target)
    values = {}
    for name in list(sounds):
        features = sounds.pop(name).with_length(samples)  # Freed once scored: spectra are large.
        values[name] = compare(measure(features, target.notes, target.cut_fade_ms), target, crepe)
    values["target"] = compare(target.measured, target, crepe)
    cases = " ".join(sorted({*trial.cases, *hard_cases(source, target)}))
    defined: set[str] = set().union(*values.values())
    rows = []
    for method, of_method in values.items():
        for column in COLUMNS:
            if column.name == "f0_rmse_cents" and not crepe:
                continue
            value = of_method.get(column.name, float("nan"))
            status = "scored" if np.isfinite(value) else "failed" if column.name in defined else "excluded"
            rows.append(
                Score(
                    trial.split,
                    trial.kind,
                    trial.pair,
                    method,
                    column.name,
                    value,
                    status,
                    cases,
                    trial.names["source"],
                    trial.names["reference"],
                    trial.names["target"],
                    trial.timbre_cluster,
                    trial.phrase_cluster,
                    trial.target_id,
                )
            )
    return rows
