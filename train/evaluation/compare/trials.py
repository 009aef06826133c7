"""Trials of a comparison: those of `train.evaluation.pairs` with each system's oracle, at any sample rate.

An oracle is the target through a system's decoder alone, such as a vocoder from exact magnitudes or an
autoencoder from exact latents. It bounds what conversions by the system can score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from train.audio.resampling import resample
from train.codec.api import Codec
from train.data.pairs import Pair
from train.data.tables import Tables
from train.evaluation.pairs import ConversionTimer, dataset_trials
from train.evaluation.trial import Trial, TrialJob


def oracle_name(system: str) -> str:
    """Returns the method name of a system's oracle."""
    return f"{system} oracle"


def comparison_trials(
    tables: Tables,
    plan: Mapping[str, Sequence[Pair]],
    codecs: Mapping[str, Codec],
    rate: int,
    timer: ConversionTimer | None = None,
) -> Iterator[TrialJob]:
    """Yields a job for each pair of each split, converted by every codec, with oracles.

    Args:
        tables: The dataset's tables.
        plan: The pairs of each split.
        codecs: The codecs by name.
        rate: Sample rate of all audio of the trials, Hz.
        timer: Records how long conversions take.
    """
    for split, pairs in plan.items():
        for job in dataset_trials(tables, split, pairs, codecs, timer):
            yield partial(_completed, job, codecs, rate)


def _completed(job: TrialJob, codecs: Mapping[str, Codec], rate: int) -> Trial:
    trial = job()
    estimates, names = dict(trial.estimates), dict(trial.names)
    for system, codec in codecs.items():
        audio = codec.oracle(trial.target)
        if audio is not None:
            estimates[oracle_name(system)] = audio
            names[oracle_name(system)] = f"{names['target']} through {system} alone"
    return resample_trial(replace(trial, estimates=estimates, names=names), rate)


def resample_trial(trial: Trial, rate: int) -> Trial:
    """Resamples all audio of a trial to `rate`, Hz."""
    if rate == trial.rate:
        return trial
    return replace(
        trial,
        rate=rate,
        source=resample(trial.source, trial.rate, rate),
        reference=resample(trial.reference, trial.rate, rate),
        target=resample(trial.target, trial.rate, rate),
        estimates={name: resample(sound, trial.rate, rate) for name, sound in trial.estimates.items()},
        toplines={name: resample(sound, trial.rate, rate) for name, sound in trial.toplines.items()},
    )
