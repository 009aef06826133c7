"""Trials from a dataset: pairs of a split, converted by codecs, with true notes and envelopes."""

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
from manifests.types import ClipId, Envelope, Notes
from train.data.clips import read_clips
from train.data.pairs import TAKES, Pair
from train.data.tables import Tables
from train.evaluation.effects import EFFECTS, ROBUST
from train.evaluation.trial import ESTIMATE, Audio, Trial, TrialJob, codec_topline
from train.metrics.measurement import GroundTruth

PAIRS_AT_ONCE = 16
"""Pairs whose clips are read together."""


class Converted(Protocol):
    """A conversion: audio, and the notes, envelope and octave it was made of, None if the system has none.

    `train.systems.base.Conversion` is one. These protocols are here so that scoring does not import torch.
    """

    @property
    def audio(self) -> Audio: ...
    @property
    def notes(self) -> Notes | None: ...
    @property
    def envelope(self) -> Envelope | None: ...
    @property
    def octave(self) -> int | None: ...


class Converter(Protocol):
    """A codec as evaluation needs it; `train.codec.api.Codec` is one."""

    @property
    def rate(self) -> int:
        """Samples rate of all audio, Hz."""
        ...

    @property
    def by_number(self) -> bool:
        """Whether it takes envelopes and octaves by number."""
        ...

    def convert(
        self,
        source: Audio,
        reference: Audio | None = None,
        take: frozenset[str] | None = None,
        envelope: Envelope | None = None,
        octave: int | None = None,
    ) -> Converted:
        """Converts float32 [samples] to the source's notes with what `take` names of the reference."""
        ...


@dataclass
class ConversionTimer:
    """Times of conversions: CPU seconds and seconds of audio, by method."""

    spent: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, method: str, seconds: float, audio_s: float) -> None:
        """Records a conversion of `audio_s` seconds of audio that took `seconds` of CPU time."""
        self.spent.setdefault(method, []).append((seconds, audio_s))

    def real_time_factors(self) -> dict[str, dict[str, float]]:
        """Returns counts, totals and the real-time factor of each method.

        The factor is CPU seconds for a second of audio; below 1 is faster than real time on one core.
        """
        return {
            method: {
                "conversions": len(rows),
                "cpu_s": sum(row[0] for row in rows),
                "audio_s": sum(row[1] for row in rows),
                "real_time_factor": sum(row[0] for row in rows) / sum(row[1] for row in rows),
            }
            for method, rows in sorted(self.spent.items())
        }


def reconstruction_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Makes a pair of each different target of the pairs that take both: it is to be converted to itself."""
    keys = dict.fromkeys(pair.target for pair in pairs if pair.kind == "both")
    return [Pair(key, key, key, "reconstruction") for key in keys]  # type: ignore[arg-type]


def ground_truth_of(tables: Tables, key: str) -> GroundTruth:
    """Returns the true notes and envelope of a clip, from the tables."""
    clip = ClipId.parse(key)
    notes = tables.sounding_notes(clip.timbre, clip.phrase)
    return GroundTruth(notes, tables.envelope_of(clip.timbre, clip.envelope), tables.cut_fade_ms)


def cluster_lookup(layout: Layout | Bank) -> Callable[[str], tuple[str, str]]:
    """Returns a function from a clip's key to the clusters of its timbre and phrase."""
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
    timer: ConversionTimer | None = None,
    retake: Mapping[str, Audio] | None = None,
    toplines: bool = False,
) -> tuple[Trial, dict[str, Converted]]:
    """Converts a pair by every codec.

    In a robustness split, source and reference pass through an effect first; the target does not.

    Args:
        split: Name of the split.
        pair: The pair.
        clips: Audio by key, float32 [samples].
        codecs: The codecs by name.
        tables: The dataset's tables.
        clusters: Those of the target's timbre and phrase.
        timer: Records how long conversions take.
        retake: Audio of targets from another take of the tones, by key.
        toplines: Whether each codec also converts the target to itself.

    Returns:
        The trial, and the conversion of each codec.
    """
    source, reference, target = clips[pair.source], clips[pair.reference], clips[pair.target]
    if split.startswith(ROBUST):
        effect = EFFECTS[split.removeprefix(ROBUST)]
        source, reference = effect(source, tables.rate), effect(reference, tables.rate)
    take = TAKES[pair.kind]
    conversions: dict[str, Converted] = {}
    topline_sounds: dict[str, Audio] = {}
    for name, codec in codecs.items():
        start = time.thread_time()
        conversions[name] = codec.convert(source, reference, take=take)
        if timer is not None:
            timer.add(name, time.thread_time() - start, len(source) / codec.rate)
        if toplines and pair.source != pair.target and not split.startswith(ROBUST):
            again = codec.convert(target, target, take=TAKES["reconstruction"])
            topline_sounds[codec_topline(name, len(codecs) == 1)] = np.asarray(again.audio, dtype=np.float32)
    if retake and pair.target in retake:
        topline_sounds["another_take"] = retake[pair.target]
    trial = Trial(
        split=split,
        kind=pair.kind,
        pair=f"{pair.kind} {pair.source} {pair.reference}",
        rate=tables.rate,
        source=source,
        reference=reference,
        target=target,
        estimates={name: np.asarray(made.audio, dtype=np.float32) for name, made in conversions.items()},
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
        toplines=topline_sounds,
    )
    return trial, conversions


def _converted_trial(*args: Any) -> Trial:
    return convert_pair(*args)[0]


def dataset_trials(
    tables: Tables,
    split: str,
    pairs: Sequence[Pair],
    codecs: Mapping[str, Converter] | Converter,
    timer: ConversionTimer | None = None,
    retake: Layout | Bank | None = None,
    toplines: bool = False,
) -> Iterator[TrialJob]:
    """Yields a job for each pair of a split: its clips are read; calling it converts them.

    Args:
        tables: The dataset's tables.
        split: Name of the split.
        pairs: The pairs.
        codecs: The codecs by name, or one codec.
        timer: Records how long conversions take.
        retake: The same dataset from another take of its tones, for a topline.
        toplines: Whether each codec also converts every target to itself.
    """
    systems = codecs if isinstance(codecs, Mapping) else {ESTIMATE: codecs}
    layout = tables.layout
    clusters = cluster_lookup(layout)
    for first in range(0, len(pairs), PAIRS_AT_ONCE):
        batch = pairs[first : first + PAIRS_AT_ONCE]
        clips = read_pair_audio(layout, batch)
        takes = read_pair_audio(retake, batch, only_targets=True) if retake else None
        for pair in batch:
            known = clusters(pair.target)
            yield partial(
                _converted_trial, split, pair, clips, systems, tables, known, timer, takes, toplines
            )


def read_pair_audio(
    layout: Layout | Bank, pairs: Sequence[Pair], only_targets: bool = False
) -> dict[str, Audio]:
    """Reads all clips of pairs: float32 [samples] by key, full scale 1."""
    keys = [
        key
        for pair in pairs
        for key in ((pair.target,) if only_targets else (pair.source, pair.reference, pair.target))
    ]
    return {key: pcm_to_float(clip) for key, clip in read_clips(layout, keys).items()}


def pcm_to_float(pcm: npt.NDArray[np.int16]) -> Audio:
    """Converts int16 PCM [samples] to float32 at full scale 1, as a FLAC decoder does."""
    return pcm.astype(np.float32) / np.float32(32768.0)
