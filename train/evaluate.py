"""Scores conversions against the clips they should have become, beside the trivial answers.

A trial is one conversion with a known answer. Every trial is scored in the same way, wherever its sounds
come from: a checkpoint that converts pairs of a dataset's split (`dataset_trials`), or a table of audio
files that anything made (`train.evaluate_files`). No system is named here.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from manifests.layout import Layout
from manifests.vocabulary import ClipId
from train.data.blocks import read_clips
from train.data.pairs import TAKES, Pair
from train.metrics import Sound, describe, fit_length, score

Audio = npt.NDArray[np.float32]

ESTIMATE = "estimate"
"""What a system made, where the table of files does not name its method."""

BASELINES = ("copy_of_source", "copy_of_reference", "silence")
"""The trivial answers that stand beside every system."""

Job = Callable[[], "Trial"]
"""A trial yet to be made, by any thread."""

PAIRS_AT_ONCE = 16
"""Pairs whose clips are read together."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One conversion with a known answer: audio at full scale 1 and one rate, float32 [samples] each.

    `pair` names it; `timbre_cluster` and `phrase_cluster` are its target's, for the intervals; `names`
    say which clip or file each sound is, for messages.
    """

    split: str
    kind: str
    pair: str
    source: Audio
    reference: Audio
    target: Audio
    estimates: dict[str, Audio]
    timbre_cluster: str
    phrase_cluster: str
    names: dict[str, str]


class Score(NamedTuple):
    """One row of the table of scores."""

    split: str
    kind: str
    pair: str
    method: str
    metric: str
    value: float
    source: str
    reference: str
    target: str
    timbre_cluster: str
    phrase_cluster: str


class Converted(Protocol):
    """What a system gives back; a page needs more of it than the scores do."""

    @property
    def audio(self) -> Audio: ...


class Converter(Protocol):
    """A system that converts: all that evaluation knows of it."""

    @property
    def rate(self) -> int: ...

    def convert(self, source: Audio, reference: Audio, take: frozenset[str]) -> Converted: ...


@lru_cache(maxsize=4)
def _silence(samples: int) -> Sound:
    return describe(np.zeros(samples))


def score_trial(trial: Trial) -> list[Score]:
    """Every method of a trial, the trivial answers last, on every metric."""
    target = describe(trial.target, trial.names["target"])

    def sound(audio: Audio, name: str) -> Sound:
        if len(audio) == 0:
            return describe(audio, name)  # refuses it by name
        return describe(fit_length(np.asarray(audio), target.samples), name)

    sounds = {name: sound(audio, trial.names[name]) for name, audio in trial.estimates.items()}
    sounds["copy_of_source"] = sound(trial.source, trial.names["source"])
    sounds["copy_of_reference"] = sound(trial.reference, trial.names["reference"])
    sounds["silence"] = _silence(target.samples)
    return [
        Score(
            trial.split,
            trial.kind,
            trial.pair,
            method,
            metric,
            value,
            trial.names["source"],
            trial.names["reference"],
            trial.names["target"],
            trial.timbre_cluster,
            trial.phrase_cluster,
        )
        for method, made in sounds.items()
        for metric, value in score(made, target).items()
    ]


def _make_and_score(job: Job) -> list[Score]:
    return score_trial(job())


def score_trials(
    jobs: Iterable[Job], advance: Callable[[], Any] = lambda: None, workers: int | None = None
) -> list[Score]:
    """All scores in the order of the jobs; `advance` is called after each.

    Each of `workers` threads makes a trial (which may mean converting) and scores it. The scores are the
    same for any number of them.
    """
    count = workers or os.cpu_count() or 1
    rows: list[Score] = []
    waiting: deque[Future[list[Score]]] = deque()

    def collect() -> None:
        rows.extend(waiting.popleft().result())
        advance()

    with ThreadPoolExecutor(count) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(_make_and_score, job))
                while len(waiting) > 2 * count:
                    collect()
            while waiting:
                collect()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return rows


def convert_pair(
    split: str, pair: Pair, clips: Mapping[str, Audio], codec: Converter, clusters: tuple[str, str]
) -> tuple[Trial, Any]:
    """A pair's trial, and what the codec gave back. `clusters` are the target's, of timbre and phrase."""
    source, reference = clips[pair.source], clips[pair.reference]
    made = codec.convert(source, reference, take=TAKES[pair.kind])
    trial = Trial(
        split=split,
        kind=pair.kind,
        pair=f"{pair.kind} {pair.source} {pair.reference}",
        source=source,
        reference=reference,
        target=clips[pair.target],
        estimates={ESTIMATE: np.asarray(made.audio, dtype=np.float32)},
        timbre_cluster=clusters[0],
        phrase_cluster=clusters[1],
        names={
            "source": pair.source,
            "reference": pair.reference,
            "target": pair.target,
            ESTIMATE: f"{pair.source} converted by {pair.reference} ({pair.kind})",
        },
    )
    return trial, made


def _converted_trial(*args: Any) -> Trial:
    return convert_pair(*args)[0]


def dataset_trials(layout: Layout, split: str, pairs: Sequence[Pair], codec: Converter) -> Iterator[Job]:
    """The pairs of one split as trials yet to be made: their clips are read, `codec` will convert them."""
    timbres = layout.read("timbres").column("cluster").to_pylist()
    phrases = layout.read("phrases").column("cluster").to_pylist()
    for first in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[first : first + PAIRS_AT_ONCE]
        clips = read_pairs(layout, some)
        for pair in some:
            target = ClipId.parse(pair.target)
            clusters = str(timbres[target.timbre]), str(phrases[target.phrase])
            yield partial(_converted_trial, split, pair, clips, codec, clusters)


def read_pairs(layout: Layout, pairs: Sequence[Pair]) -> dict[str, Audio]:
    """All clips of some pairs by key, at full scale 1."""
    keys = [key for pair in pairs for key in (pair.source, pair.reference, pair.target)]
    return {key: to_float(clip) for key, clip in read_clips(layout, keys).items()}


def to_float(pcm: npt.NDArray[np.int16]) -> Audio:
    """int16 PCM at full scale 1, as a FLAC decoder gives it: float32."""
    return pcm.astype(np.float32) / np.float32(32768.0)
