"""Trials of a comparison: what `train.evaluation.pairs` makes, with each system's oracle, at any rate.

An oracle is a target through a system's own way back to audio alone (a vocoder from exact magnitudes, an
autoencoder from exact latents): how much of a system's distance no better conversion could save.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from train.audio.resampling import resample
from train.codec.api import Codec
from train.data.pairs import Pair
from train.data.tables import Tables
from train.evaluation.pairs import Clock, dataset_trials
from train.evaluation.trial import Job, Trial


def oracle_name(system: str) -> str:
    """What the tables call a system's oracle."""
    return f"{system} oracle"


def compared_trials(
    tables: Tables,
    plan: Mapping[str, Sequence[Pair]],
    codecs: Mapping[str, Codec],
    rate: int,
    clock: Clock | None = None,
) -> Iterator[Job]:
    """The pairs of each split, converted by every codec, oracles beside, all sounds at `rate`."""
    for split, pairs in plan.items():
        for job in dataset_trials(tables, split, pairs, codecs, clock):
            yield partial(_completed, job, codecs, rate)


def _completed(job: Job, codecs: Mapping[str, Codec], rate: int) -> Trial:
    trial = job()
    estimates, names = dict(trial.estimates), dict(trial.names)
    for system, codec in codecs.items():
        heard = codec.oracle(trial.target)
        if heard is not None:
            estimates[oracle_name(system)] = heard
            names[oracle_name(system)] = f"{names['target']} through {system} alone"
    return at_rate(replace(trial, estimates=estimates, names=names), rate)


def at_rate(trial: Trial, rate: int) -> Trial:
    """The same trial with all its sounds at another rate."""
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
