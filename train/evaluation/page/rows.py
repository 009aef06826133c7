"""What the page shows, gathered from a dataset: held-out conversions with all that is known of each sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from manifests.synthesis.compose import gain
from manifests.types import ClipId, Envelope, Notes
from train.data.pairs import Pair
from train.data.tables import Tables
from train.evaluation.page.words import TAKEN
from train.evaluation.pairs import clusters_of, convert_pair, read_pairs
from train.evaluation.trial import Audio, Trial, score_trial

BY_NUMBER = Envelope(attack_ms=180, hold_ms=0, decay_ms=220, sustain=0.55, release_ms=350)
"""The envelope of the example set by number: slower than the datasets' usual ones, so that it is heard."""

RowScores = dict[str, dict[str, float]]
"""{method: {metric: value}} of one row."""

ScoresByPair = Mapping[tuple[str, str], tuple[RowScores, tuple[str, ...]]]
"""Scores and hard cases of rows by (split, pair)."""


class Converted(Protocol):
    """A conversion as the page needs it: sound, and the notes and envelope that it was given."""

    @property
    def audio(self) -> Audio: ...
    @property
    def notes(self) -> Notes | None: ...
    @property
    def envelope(self) -> Envelope | None: ...


class Codec(Protocol):
    """A system that converts by a reference or by numbers."""

    @property
    def rate(self) -> int: ...
    @property
    def by_number(self) -> bool: ...

    def convert(
        self,
        source: Audio,
        reference: Audio | None = None,
        take: frozenset[str] = ...,
        envelope: Envelope | None = None,
    ) -> Converted: ...


@dataclass(frozen=True, slots=True)
class Curve:
    """A gain curve to draw over a waveform: whose it is (`true` or `estimated`), what it says, [samples]."""

    style: str
    meaning: str
    values: Audio


@dataclass(frozen=True, slots=True)
class Panel:
    """One of a row's sounds: `source`, `reference`, `target` or a system, facts in words, curves."""

    role: str
    facts: tuple[str, ...]
    audio: Audio
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One conversion: its pair's name, what was taken (title and words), its sounds, scores and cases."""

    pair: str
    kind: str
    split: str
    title: str
    words: str
    panels: tuple[Panel, ...]
    scores: RowScores = field(default_factory=dict)
    cases: tuple[str, ...] = ()
    clusters: tuple[str, str] = ("", "")


def envelope_words(envelope: Envelope) -> str:
    """An envelope in a few words: `A 20 · H 0 · D 120 ms · S 0.35 · R 90 ms`."""
    e = envelope
    hold = f"H {e.hold_ms:.0f} · " if e.hold_ms else ""
    return f"A {e.attack_ms:.0f} · {hold}D {e.decay_ms:.0f} · S {e.sustain:.2f} · R {e.release_ms:.0f} ms"


def scores_of(trial: Trial, known: ScoresByPair | None) -> tuple[RowScores, tuple[str, ...]]:
    """A trial's scores and cases: those already made (by split and pair), else made now; none without any."""
    if known is None:
        return {}, ()
    found = known.get((trial.split, trial.pair))
    if found is not None:
        return found
    rows = score_trial(trial)
    scores: RowScores = {}
    for row in rows:
        if row.status == "scored":
            scores.setdefault(row.method, {})[row.metric] = row.value
    return scores, tuple(rows[0].cases.split())


class Gatherer:
    """Makes rows from a dataset's pairs and codecs."""

    def __init__(self, tables: Tables, codecs: Mapping[str, Codec], known: ScoresByPair | None) -> None:
        self.tables = tables
        self.codecs = codecs
        self.known = known
        self._clusters = clusters_of(tables.layout)

    def curve(self, clip: ClipId, envelope: Envelope | None = None) -> Audio:
        """The true gain of a clip (or what it would be with another envelope), float32 [frames]."""
        t = self.tables
        shape = envelope or t.envelopes[clip.envelope]
        return gain(t.phrases[clip.phrase], shape, t.rate, t.frames, t.cut_fade_ms)

    def panel(self, role: str, key: str, audio: Audio) -> Panel:
        """A clip of the dataset with its true gain curve."""
        clip = ClipId.parse(key)
        facts = (
            self.tables.timbre_names[clip.timbre],
            envelope_words(self.tables.envelopes[clip.envelope]),
            f"phrase {clip.phrase}",
        )
        return Panel(role, facts, audio, (Curve("true", "its true gain", self.curve(clip)),))

    def converted(self, name: str, made: Converted, wanted: Audio, meaning: str) -> Panel:
        """What a codec made, with the gain it should have and the one that the codec gave it."""
        t = self.tables
        audio = np.asarray(made.audio, dtype=np.float32)
        true = Curve("true", meaning, wanted)
        if made.notes is None or made.envelope is None:
            return Panel(name, ("made by the codec",), audio, (true,))
        given = np.zeros(len(audio), dtype=np.float32)  # where no note was heard
        if made.notes:
            given = gain(made.notes, made.envelope, t.rate, len(audio), t.cut_fade_ms)
        facts = ("made by the codec", envelope_words(made.envelope), f"{len(made.notes)} notes heard")
        return Panel(name, facts, audio, (true, Curve("estimated", "the codec's own gain", given)))

    def row(self, split: str, pair: Pair, clips: dict[str, Audio]) -> Row:
        """A pair, converted by every codec, with its scores."""
        goal = ClipId.parse(pair.target)
        clusters = self._clusters(pair.target)
        trial, given = convert_pair(split, pair, clips, self.codecs, self.tables, clusters)
        scores, cases = scores_of(trial, self.known)
        panels = (
            self.panel("source", pair.source, trial.source),
            self.panel("reference", pair.reference, trial.reference),
            self.panel("target", pair.target, trial.target),
            *(
                self.converted(name, made, self.curve(goal), "the target's true gain")
                for name, made in given.items()
            ),
        )
        return Row(trial.pair, pair.kind, split, *TAKEN[pair.kind], panels, scores, cases, clusters)

    def row_by_number(self, split: str, pair: Pair, clips: dict[str, Audio]) -> Row:
        """The source of a pair with `BY_NUMBER` in place of its envelope; no such clip exists to compare."""
        name, codec = next(iter(self.codecs.items()))
        source = clips[pair.source]
        made = codec.convert(source, None, take=frozenset(), envelope=BY_NUMBER)
        wanted = self.curve(ClipId.parse(pair.source), BY_NUMBER)
        panels = (
            self.panel("source", pair.source, source),
            self.converted(name, made, wanted, "the gain that was asked for"),
        )
        words = f"{TAKEN['number'][1]} Asked for: {envelope_words(BY_NUMBER)}."
        return Row(f"number {pair.source}", "number", split, TAKEN["number"][0], words, panels)


def gather(
    tables: Tables,
    codecs: Mapping[str, Codec],
    pairs: Mapping[str, Sequence[Pair]],
    known: ScoresByPair | None,
    advance: Callable[[], Any],
) -> Iterator[Row]:
    """The rows of the page: every pair of every split, then one with an envelope by number, if it can be."""
    gatherer = Gatherer(tables, codecs, known)
    by_number = next(iter(codecs.values())).by_number
    for split, some in pairs.items():
        clips = read_pairs(tables.layout, some)
        for pair in some:
            yield gatherer.row(split, pair, clips)
            advance()
        if split == next(iter(pairs)) and by_number:
            row = gatherer.row_by_number(split, some[0], clips)
            advance()
            yield row
