"""Scores conversions against the clips they should have become, beside the answers that need no training.

A trial is one conversion with a known answer, of one system or of several. Every trial is scored in the
same way, wherever its sounds come from: a checkpoint that converts pairs of a dataset's split
(`train.evaluation.pairs`), or audio files that anything made (`train.evaluation.files`). No system is named
here.
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
from train.evaluation.cases import cases_of
from train.evaluation.transplant import Part, moved, re_envelope, transplant
from train.metrics.catalogue import COLUMNS
from train.metrics.envelope import measure_envelope
from train.metrics.features import AudioFeatures
from train.metrics.measurement import CUT_FADE_MS, GroundTruth, compare, measure, measure_target
from train.metrics.transcribe import transcribe

Audio = npt.NDArray[np.float32]

ESTIMATE = "estimate"
"""What a system made, where nothing names it."""

COPIES = ("copy_of_source", "copy_of_reference", "silence")
"""The trivial answers."""

UNTRAINED = ("transplant", "transplant_known", "re_envelope", "re_envelope_known")
"""Conversions that need no training; `_known` uses the true notes and envelopes, where there are any."""

TOPLINES = ("target", "another_take", "target_through_codec")
"""The best attainable scores: of the target itself, of its cell from another take of the tones, and of the
target encoded and decoded by a codec."""

BASELINES = (*COPIES, *UNTRAINED)
"""What systems are compared with, pair by pair."""


def codec_topline(name: str, alone: bool) -> str:
    """Names the topline of the target through the codec `name`; of several codecs each has its own."""
    return TOPLINES[-1] if alone else f"{TOPLINES[-1]} {name}"


def is_topline(method: str) -> bool:
    """Tells whether a method is a topline: no conversion, but the best attainable score."""
    return method in TOPLINES or method.startswith(f"{TOPLINES[-1]} ")


def is_system(method: str) -> bool:
    """Whether a method is none of ours."""
    return method not in BASELINES and not is_topline(method)


NO_ENVELOPE = Envelope(attack_ms=1.0, decay_ms=0.0, sustain=1.0, release_ms=20.0)
"""What a recording without any note is presumed to have."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One conversion with a known answer: mono audio at full scale 1 and one rate, float32 [samples] each.

    `pair` names it; `timbre_cluster` and `phrase_cluster` are its target's, for the intervals; `names`
    say which clip or file each sound is, for messages; `truths` the ground truth of `source`,
    `reference` and `target`; `toplines` sounds named in TOPLINES; `cases` what makes it hard,
    beyond what is heard.
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


Job = Callable[[], Trial]
"""A trial yet to be made, by any thread."""


class Score(NamedTuple):
    """One row of the table of scores.

    `status` is `scored`, `failed` (undefined by the estimate alone: `value` is nan) or `excluded`
    (undefined by the target, hence for every method).
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


def estimated_part(audio: Audio, features: AudioFeatures) -> Part:
    """Returns a recording with its notes and envelope as they are estimated from it."""
    notes = transcribe(features)
    estimate = measure_envelope(audio, notes, features.rate, CUT_FADE_MS)
    return Part(audio, notes, estimate.envelope if estimate else NO_ENVELOPE)


def known_part(audio: Audio, truth: GroundTruth | None) -> Part | None:
    """A recording with its notes and envelope, if both are known."""
    return Part(audio, truth.notes, truth.envelope) if truth and truth.envelope else None


def untrained(trial: Trial, source: Part, reference: Part) -> dict[str, Audio]:
    """The conversions that need no training: from estimated parts, and from true ones where there are any."""
    rate, takes = trial.rate, TAKES.get(trial.kind, TAKES["both"])

    def convert(ours: Part, theirs: Part, fade: float, suffix: str) -> dict[str, Audio]:
        shape = (theirs if "envelope" in takes else ours).envelope
        donor = theirs if "timbre" in takes else ours
        notes = moved(ours.notes, donor.notes)
        played = transplant(notes, shape, donor, rate, len(ours.audio), fade, peak_of(ours.audio))
        return {f"transplant{suffix}": played, f"re_envelope{suffix}": re_envelope(ours, shape, rate, fade)}

    made = convert(source, reference, CUT_FADE_MS, "")
    true_source = known_part(trial.source, trial.truths.get("source"))
    true_reference = known_part(trial.reference, trial.truths.get("reference"))
    if true_source and true_reference:
        made |= convert(true_source, true_reference, trial.truths["source"].cut_fade_ms, "_known")
    return {name: made[name] for name in UNTRAINED if name in made}


@lru_cache(maxsize=2)
def silence(samples: int, rate: int) -> AudioFeatures:
    """So much silence: every pair of one length has the same."""
    return AudioFeatures(np.zeros(samples), rate, "silence")


def with_baselines(trial: Trial) -> tuple[dict[str, AudioFeatures], Part]:
    """Every method's sound by name, systems first, and the source as it is known or estimated.

    InputError names a sound that cannot be scored.
    """
    rate, names = trial.rate, trial.names
    sounds = {
        name: AudioFeatures(audio, rate, names.get(name, name)) for name, audio in trial.estimates.items()
    }
    sounds["copy_of_source"] = AudioFeatures(trial.source, rate, names.get("source", "source"))
    sounds["copy_of_reference"] = AudioFeatures(trial.reference, rate, names.get("reference", "reference"))
    sounds["silence"] = silence(len(trial.target), rate)
    source = estimated_part(trial.source, sounds["copy_of_source"])
    reference = estimated_part(trial.reference, sounds["copy_of_reference"])
    made = untrained(trial, source, reference) | trial.toplines
    sounds |= {name: AudioFeatures(audio, rate, names.get(name, name)) for name, audio in made.items()}
    return sounds, known_part(trial.source, trial.truths.get("source")) or source


def score_trial(trial: Trial, crepe: bool = False) -> list[Score]:
    """Every method of a trial on every metric: the systems first, then baselines and toplines."""
    features = AudioFeatures(trial.target, trial.rate, trial.names["target"])
    target = measure_target(features, trial.truths.get("target"))
    sounds, source = with_baselines(trial)
    samples = len(trial.target)
    values = {}
    for name in list(sounds):
        features = sounds.pop(name).with_length(samples)  # released when scored: spectra are large
        values[name] = compare(measure(features, target.notes, target.cut_fade_ms), target, crepe)
    values["target"] = compare(target.measured, target, crepe)
    cases = " ".join(sorted({*trial.cases, *cases_of(source, target)}))
    defined: set[str] = set().union(*values.values())
    rows = []
    for method, found in values.items():
        for column in COLUMNS:
            if column.name == "f0_rmse_cents" and not crepe:
                continue
            value = found.get(column.name, float("nan"))
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
                )
            )
    return rows
