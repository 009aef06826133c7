"""Trials from a dataset: pairs of a split, converted by a checkpoint, everything about them known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from manifests.dataset.bank import Bank
from manifests.dataset.layout import Layout
from manifests.types import ClipId
from train.data.clips import read_clips
from train.data.pairs import TAKES, Pair
from train.data.tables import Tables
from train.evaluation.effects import EFFECTS, ROBUST
from train.evaluation.trial import ESTIMATE, Audio, Job, Trial, codec_topline
from train.metrics.measurement import GroundTruth

PAIRS_AT_ONCE = 16
"""Pairs whose clips are read together."""


class Converted(Protocol):
    """What a system gives back; a page needs more of it than the scores do."""

    @property
    def audio(self) -> Audio: ...


class Converter(Protocol):
    """A system that converts: all that evaluation knows of it."""

    @property
    def rate(self) -> int: ...

    def convert(self, source: Audio, reference: Audio, take: frozenset[str]) -> Converted: ...


@dataclass
class Clock:
    """How long conversions took: CPU seconds and seconds of audio by method."""

    spent: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, method: str, seconds: float, audio_s: float) -> None:
        """One conversion of `audio_s` that took `seconds` of CPU."""
        self.spent.setdefault(method, []).append((seconds, audio_s))

    def real_time_factors(self) -> dict[str, dict[str, float]]:
        """CPU seconds a second of audio, by method; below 1 is faster than real time on one core."""
        return {
            method: {
                "conversions": len(rows),
                "cpu_s": sum(row[0] for row in rows),
                "audio_s": sum(row[1] for row in rows),
                "real_time_factor": sum(row[0] for row in rows) / sum(row[1] for row in rows),
            }
            for method, rows in sorted(self.spent.items())
        }


def reconstructions(pairs: Sequence[Pair]) -> list[Pair]:
    """The targets of those pairs that take both, each to be made again from itself; no key occurs twice."""
    keys = dict.fromkeys(pair.target for pair in pairs if pair.kind == "both")
    return [Pair(key, key, key, "reconstruction") for key in keys]  # type: ignore[arg-type]


def ground_truth_of(tables: Tables, key: str) -> GroundTruth:
    """What the tables say of a clip."""
    clip = ClipId.parse(key)
    notes = tables.sounding(clip.timbre, clip.phrase)
    return GroundTruth(notes, tables.envelopes[clip.envelope], tables.cut_fade_ms)


def clusters_of(layout: Layout | Bank) -> Callable[[str], tuple[str, str]]:
    """What gives, by its key, the clusters that a clip's timbre and phrase belong to."""
    timbres, phrases = (layout.read(table).column("cluster").to_pylist() for table in ("timbres", "phrases"))

    def of(key: str) -> tuple[str, str]:
        clip = ClipId.parse(key)
        return str(timbres[clip.timbre]), str(phrases[clip.phrase])

    return of


def convert_pair(
    split: str,
    pair: Pair,
    clips: Mapping[str, Audio],
    codecs: Mapping[str, Converter],
    tables: Tables,
    clusters: tuple[str, str] = ("", ""),
    clock: Clock | None = None,
    retake: Mapping[str, Audio] | None = None,
    toplines: bool = False,
) -> tuple[Trial, dict[str, Any]]:
    """A pair's trial, and what each codec gave back. `clusters` are the target's, of timbre and phrase.

    In a robustness split the codecs hear source and reference through an effect; the target is as it is.
    With `toplines` each codec makes the target again from itself, too, but where that is the pair already.
    """
    source, reference, target = clips[pair.source], clips[pair.reference], clips[pair.target]
    if split.startswith(ROBUST):
        effect = EFFECTS[split.removeprefix(ROBUST)]
        source, reference = effect(source, tables.rate), effect(reference, tables.rate)
    take = TAKES[pair.kind]
    given: dict[str, Any] = {}
    made_again: dict[str, Audio] = {}
    for name, codec in codecs.items():
        begun = time.thread_time()
        given[name] = codec.convert(source, reference, take=take)
        if clock is not None:
            clock.add(name, time.thread_time() - begun, len(source) / codec.rate)
        if toplines and pair.source != pair.target and not split.startswith(ROBUST):
            again = codec.convert(target, target, take=TAKES["reconstruction"])
            made_again[codec_topline(name, len(codecs) == 1)] = np.asarray(again.audio, dtype=np.float32)
    if retake and pair.target in retake:
        made_again["another_take"] = retake[pair.target]
    trial = Trial(
        split=split,
        kind=pair.kind,
        pair=f"{pair.kind} {pair.source} {pair.reference}",
        rate=tables.rate,
        source=source,
        reference=reference,
        target=target,
        estimates={name: np.asarray(made.audio, dtype=np.float32) for name, made in given.items()},
        timbre_cluster=clusters[0],
        phrase_cluster=clusters[1],
        names={
            "source": pair.source,
            "reference": pair.reference,
            "target": pair.target,
            **{name: f"{pair.source} converted by {pair.reference} ({pair.kind}, {name})" for name in codecs},
        },
        truths={
            role: ground_truth_of(tables, key)
            for role, key in (("source", pair.source), ("reference", pair.reference), ("target", pair.target))
        },
        toplines=made_again,
    )
    return trial, given


def _converted_trial(*args: Any) -> Trial:
    return convert_pair(*args)[0]


def dataset_trials(
    tables: Tables,
    split: str,
    pairs: Sequence[Pair],
    codecs: Mapping[str, Converter] | Converter,
    clock: Clock | None = None,
    retake: Layout | Bank | None = None,
    toplines: bool = False,
) -> Iterator[Job]:
    """The pairs of one split as trials yet to be made: their clips are read, the codecs will convert them."""
    systems = codecs if isinstance(codecs, Mapping) else {ESTIMATE: codecs}
    layout = tables.layout
    clusters = clusters_of(layout)
    for first in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[first : first + PAIRS_AT_ONCE]
        clips = read_pairs(layout, some)
        takes = read_pairs(retake, some, only_targets=True) if retake else None
        for pair in some:
            known = clusters(pair.target)
            yield partial(
                _converted_trial, split, pair, clips, systems, tables, known, clock, takes, toplines
            )


def read_pairs(layout: Layout | Bank, pairs: Sequence[Pair], only_targets: bool = False) -> dict[str, Audio]:
    """All clips of some pairs by key, at full scale 1."""
    keys = [
        key
        for pair in pairs
        for key in ((pair.target,) if only_targets else (pair.source, pair.reference, pair.target))
    ]
    return {key: to_float(clip) for key, clip in read_clips(layout, keys).items()}


def to_float(pcm: npt.NDArray[np.int16]) -> Audio:
    """int16 PCM at full scale 1, as a FLAC decoder gives it: float32."""
    return pcm.astype(np.float32) / np.float32(32768.0)
