"""Rows of the page from a dataset: held-out conversions with all that is known of each sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manifests.synthesis.compose import gain
from manifests.types import ClipId, Envelope
from train.data.pairs import Pair
from train.data.tables import Tables
from train.evaluation.page.words import KIND_TEXTS
from train.evaluation.pairs import Converted, Converter, cluster_lookup, convert_pair, read_pair_audio
from train.evaluation.trial import Audio, Trial, score_trial

EXAMPLE_ENVELOPE = Envelope(attack_ms=180, hold_ms=0, decay_ms=220, sustain=0.55, release_ms=350)
"""The envelope of the example set by number: slower than the usual ones, so that it is noticed."""

RowScores = dict[str, dict[str, float]]
"""{method: {metric: value}} of one row."""

PrecomputedScores = Mapping[tuple[str, str], tuple[RowScores, tuple[str, ...]]]
"""Scores and hard cases of rows by (split, pair)."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A gain curve to draw over a waveform.

    Attributes:
        style: "true" or "estimated".
        meaning: What it shows, in words.
        values: Gain, float32 [samples].
    """

    style: str
    meaning: str
    values: Audio


@dataclass(frozen=True, slots=True)
class Panel:
    """One of a row's sounds.

    Attributes:
        role: "source", "reference", "target" or the name of a system.
        facts: What is known of it, in words.
        audio: float32 [samples], full scale 1.
        curves: Gain curves to draw over it.
    """

    role: str
    facts: tuple[str, ...]
    audio: Audio
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One conversion: its pair, kind and split, a title and a sentence, its sounds, scores and hard cases.

    `clusters` are those of the target's timbre and phrase.
    """

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
    """Formats an envelope.

    Example:
        >>> envelope_words(Envelope(20, 120, 0.35, 90))
        'A 20 · D 120 · S 0.35 · R 90 ms'
    """
    e = envelope
    hold = f"H {e.hold_ms:.0f} · " if e.hold_ms else ""
    return f"A {e.attack_ms:.0f} · {hold}D {e.decay_ms:.0f} · S {e.sustain:.2f} · R {e.release_ms:.0f} ms"


def scores_of(trial: Trial, known: PrecomputedScores | None) -> tuple[RowScores, tuple[str, ...]]:
    """Returns a trial's scores and hard cases: those in `known`, else scored now; none if `known` is None."""
    if known is None:
        return {}, ()
    precomputed = known.get((trial.split, trial.pair))
    if precomputed is not None:
        return precomputed
    rows = score_trial(trial)
    scores: RowScores = {}
    for row in rows:
        if row.status == "scored":
            scores.setdefault(row.method, {})[row.metric] = row.value
    return scores, tuple(rows[0].cases.split())


class RowBuilder:
    """Makes rows from a dataset's pairs and codecs.

    Args:
        tables: The dataset's tables.
        codecs: The codecs by name.
        known: Scores that exist already; other trials are scored. None leaves scores out.
    """

    def __init__(
        self, tables: Tables, codecs: Mapping[str, Converter], known: PrecomputedScores | None
    ) -> None:
        self.tables = tables
        self.codecs = codecs
        self.known = known
        self._clusters = cluster_lookup(tables.layout)

    def curve(self, clip: ClipId, envelope: Envelope | None = None) -> Audio:
        """Computes the true gain of a clip, or its gain under another envelope: float32 [frames]."""
        t = self.tables
        shape = envelope or t.envelope_of(clip.timbre, clip.envelope)
        return gain(t.phrases[clip.phrase], shape, t.rate, t.frames, t.cut_fade_ms)

    def panel(self, role: str, key: str, audio: Audio) -> Panel:
        """Makes the panel of a clip of the dataset, with its true gain curve."""
        clip = ClipId.parse(key)
        facts = (
            self.tables.timbre_names[clip.timbre],
            envelope_words(self.tables.envelope_of(clip.timbre, clip.envelope)),
            f"phrase {clip.phrase}",
        )
        return Panel(role, facts, audio, (Curve("true", "its true gain", self.curve(clip)),))

    def converted(self, name: str, made: Converted, wanted: Audio, meaning: str) -> Panel:
        """Makes the panel of a conversion, with the gain it should have and the codec's own estimate.

        Args:
            name: Name of the codec.
            made: The conversion.
            wanted: The gain it should have, float32 [frames].
            meaning: What that gain is, in words.
        """
        t = self.tables
        audio = np.asarray(made.audio, dtype=np.float32)
        true = Curve("true", meaning, wanted)
        if made.notes is None or made.envelope is None:
            return Panel(name, ("made by the codec",), audio, (true,))
        given = np.zeros(len(audio), dtype=np.float32)  # where no note was found
        if made.notes:
            given = gain(made.notes, made.envelope, t.rate, len(audio), t.cut_fade_ms)
        facts = ("made by the codec", envelope_words(made.envelope), f"{len(made.notes)} notes found")
        return Panel(name, facts, audio, (true, Curve("estimated", "the codec's own gain", given)))

    def row(self, split: str, pair: Pair, clips: dict[str, Audio]) -> Row:
        """Converts a pair by every codec, and scores it. `clips` holds audio by key, float32 [frames]."""
        target = ClipId.parse(pair.target)
        clusters = self._clusters(pair.target)
        trial, conversions = convert_pair(split, pair, clips, self.codecs, self.tables, clusters)
        scores, cases = scores_of(trial, self.known)
        panels = (
            self.panel("source", pair.source, trial.source),
            self.panel("reference", pair.reference, trial.reference),
            self.panel("target", pair.target, trial.target),
            *(
                self.converted(name, made, self.curve(target), "the target's true gain")
                for name, made in conversions.items()
            ),
        )
        return Row(trial.pair, pair.kind, split, *KIND_TEXTS[pair.kind], panels, scores, cases, clusters)

    def row_by_number(self, split: str, pair: Pair, clips: dict[str, Audio]) -> Row:
        """Converts the source of a pair to `EXAMPLE_ENVELOPE`; no clip exists to compare it with."""
        name, codec = next(iter(self.codecs.items()))
        source = clips[pair.source]
        made = codec.convert(source, None, take=frozenset(), envelope=EXAMPLE_ENVELOPE)
        wanted = self.curve(ClipId.parse(pair.source), EXAMPLE_ENVELOPE)
        panels = (
            self.panel("source", pair.source, source),
            self.converted(name, made, wanted, "the gain that was asked for"),
        )
        words = f"{KIND_TEXTS['number'][1]} Asked for: {envelope_words(EXAMPLE_ENVELOPE)}."
        return Row(f"number {pair.source}", "number", split, KIND_TEXTS["number"][0], words, panels)


def build_rows(
    tables: Tables,
    codecs: Mapping[str, Converter],
    pairs: Mapping[str, Sequence[Pair]],
    known: PrecomputedScores | None,
    advance: Callable[[], Any],
) -> Iterator[Row]:
    """Yields a row for every pair of every split; after the first split's, one with an envelope by number.

    Args:
        tables: The dataset's tables.
        codecs: The codecs by name. The first shows the envelope by number, if it takes any.
        pairs: The pairs of each split.
        known: Scores that exist already; None leaves scores out.
        advance: Called after each row.
    """
    builder = RowBuilder(tables, codecs, known)
    by_number = next(iter(codecs.values())).by_number
    for split, chosen in pairs.items():
        clips = read_pair_audio(tables.layout, chosen)
        for pair in chosen:
            yield builder.row(split, pair, clips)
            advance()
        if split == next(iter(pairs)) and by_number:
            row = builder.row_by_number(split, chosen[0], clips)
            advance()
            yield row
