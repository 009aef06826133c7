"""What the codec hears in a recording: notes, the envelope and how sure it is of both.

Envelope and timbre are read in a recording's first `PASSAGE_S` seconds with notes; after those only note-offs
are fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.synthesis.compose import Span, spans, to_samples
from manifests.synthesis.octaves import octave_of
from manifests.types import Envelope, Note, Notes
from train.audio.files import peak_of
from train.nn.gain import EnvelopeBatch, NoteBatch, clip_gain, envelope_batch, owner, span_batch
from train.systems.base import Audio
from train.systems.peak import PEAK
from train.systems.triptych.inference.envelope_fit import Fitted, fit_envelopes
from train.systems.triptych.inference.nonharmonic import unexplained
from train.systems.triptych.inference.recording import listen, sound_of
from train.systems.triptych.networks.envelope_head import from_units
from train.systems.triptych.networks.features import LEVEL_HOP, LONG_HOP, Features, features
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.note_head import SHORTEST_S, read_notes

PASSAGE_S = 30.0
"""How much of a long recording tells its envelope and timbre."""

TIE = 0.02
"""Of the sounding time: notes within so little of half of it are taken to be exactly half."""

DEFAULT = Envelope(10.0, 100.0, 0.5, 100.0)
"""What is said of a recording without a note."""


class Played(NamedTuple):
    """A note with its samples."""

    note: Note
    span: Span


class Passage(NamedTuple):
    """A stretch of a recording as features, its notes as a batch of one clip, and the factor that brought
    the recording to -1 dBFS."""

    features: Features
    notes: NoteBatch
    scale: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What is heard in a recording: notes as they sound, and the envelope.

    `sure` is the probability of each note's pitch to the codec, `errors` the standard errors of attack,
    hold, decay (of their logarithms), sustain and release (logarithm) by the level that was heard.
    `passage` is what the timbre can be read in; None without notes.
    """

    notes: Notes
    envelope: Envelope
    sure: tuple[float, ...]
    errors: tuple[float, ...]
    passage: Passage | None
    last_rings: bool = False
    """Whether the last note is let go before the recording ends."""
    unexplained: float = 0.0
    """The share of the passage's power that is at no harmonic of its notes."""

    @property
    def octave(self) -> int:
        return octave_of(heard_median(self.notes)) if self.notes else 0


def heard_median(notes: Notes) -> int:
    """`manifests.synthesis.octaves.median_pitch` of notes whose durations are heard, so not exact.

    On a grid of times the lower pitches often sound for exactly half the time. The definition then takes
    the lower pitch, and a few ms too much anywhere must not turn that into another octave.
    """
    ordered = sorted(notes, key=lambda note: note.pitch)
    total = sum(note.duration for note in ordered)
    passed = 0.0
    for note in ordered:
        passed += note.duration
        if passed >= (0.5 - TIE) * total:
            return note.pitch
    raise ValueError("heard_median of no notes")


class Stretch(NamedTuple):
    """Notes `first` to before `last` of a recording, and the samples that they are heard in."""

    first: int
    last: int
    start: int
    stop: int


def stretches(played: Sequence[Played], samples: int, longest: int) -> list[Stretch]:
    """A recording as stretches of whole notes no longer than `longest` (a longer note is cut off)."""
    if samples <= longest:
        return [Stretch(0, len(played), 0, samples)]
    found: list[Stretch] = []
    first = 0
    while first < len(played):
        start = played[first].span.onset // LONG_HOP * LONG_HOP
        last = first + 1
        while last < len(played) and played[last].span.end - start <= longest:
            last += 1
        found.append(Stretch(first, last, start, min(played[last - 1].span.end, start + longest)))
        first = last
    return found


def hear(model: TriptychModel, recordings: Sequence[Audio]) -> list[Heard]:
    """Notes, velocities and envelope of recordings [n] at the codec's rate; all are fitted in one batch."""
    ears = [_Ear(model, audio) for audio in recordings]
    hearing = [ear for ear in ears if ear.played]
    if hearing:
        parts = [ear.part(ear.stretches[0]) for ear in hearing]
        guesses = [ear.guess(part) for ear, part in zip(hearing, parts, strict=True)]
        fitted = fit(model, parts, torch.cat(guesses), held=False)
        for row, ear in enumerate(hearing):
            ear.learn(fitted, row)
    return [ear.heard() for ear in ears]


class Part(NamedTuple):
    """A stretch's level and its notes, from the stretch's first sample."""

    level_L: Tensor
    rows: list[tuple[Note, Span]]


def fit(model: TriptychModel, parts: Sequence[Part], units_BP: Tensor, held: bool) -> Fitted:
    """`fit_envelopes` for stretches of different lengths."""
    longest = max(len(part.level_L) for part in parts)
    level_BL = torch.stack([F.pad(part.level_L, (0, longest - len(part.level_L))) for part in parts])
    notes = span_batch([part.rows for part in parts], longest * LEVEL_HOP).to(level_BL.device)
    return fit_envelopes(level_BL, notes, units_BP, model.format.rate, model.format.cut_fade_ms, held)


class _Ear:
    """One recording while it is being heard."""

    def __init__(self, model: TriptychModel, audio: Audio) -> None:
        self.model, self.audio, self.samples = model, audio, len(audio)
        rate = model.format.rate
        peak = peak_of(audio)
        self.scale = PEAK / peak if peak > 0.0 else 0.0
        self.listened = listen(model, audio, self.scale)
        logits, traits_GPS, level_L, _ = self.listened
        read = read_notes(logits, 0, traits_GPS, level_L, LEVEL_HOP, rate, self.samples)
        notes = [row.note for row in read]
        self.sure = tuple(row.sure for row in read)
        placed = spans(notes, rate, self.samples) if notes else []
        self.played = [Played(*pair) for pair in zip(notes, placed, strict=True)]
        self.stretches = stretches(self.played, self.samples, round(PASSAGE_S * rate))
        self.envelope = DEFAULT
        self.errors: tuple[float, ...] = ()

    def part(self, stretch: Stretch) -> Part:
        start = stretch.start
        rows = [
            (note, Span(span.onset - start, span.off - start, span.end - start))
            for note, span in self.played[stretch.first : stretch.last]
        ]
        return Part(self.listened.level_L[start // LEVEL_HOP : stretch.stop // LEVEL_HOP + 1], rows)

    def batch(self, stretch: Stretch) -> NoteBatch:
        rows = self.part(stretch).rows
        return span_batch([rows], stretch.stop - stretch.start).to(self.listened.level_L.device)

    def guess(self, part: Part) -> Tensor:
        """The envelope head's opinion, [1, 6]."""
        notes = span_batch([part.rows], len(part.level_L) * LEVEL_HOP).to(part.level_L.device)
        units: Tensor = self.model.envelope_head(part.level_L[None], notes).clip_BP
        return units

    def learn(self, fitted: Fitted, row: int) -> None:
        """Takes the envelope of the first stretch, and fits the note-offs of the others to it."""
        units_1P = fitted.units_BP[row : row + 1]
        self.envelope = to_envelope(from_units(units_1P))
        self.errors = tuple(fitted.error_BP[row].tolist())
        self._end(self.stretches[0], fitted.off_BN[row])
        for stretch in self.stretches[1:]:
            later = fit(self.model, [self.part(stretch)], units_1P, held=True)
            self._end(stretch, later.off_BN[0])
        self._measure_velocities()

    def _end(self, stretch: Stretch, off_N: Tensor) -> None:
        """Gives notes other note-offs, to 1 ms; a legato note ends where the next begins."""
        rate = self.model.format.rate
        for index, off in zip(range(stretch.first, stretch.last), off_N.tolist(), strict=False):
            note, span = self.played[index]
            at = stretch.start + off
            last = span.end if span.end - at < 0.004 * rate else at
            duration = max(round(last / rate, 3) - note.onset, 0.001)
            let_go = min(to_samples(note.onset + duration, rate), span.end)
            self.played[index] = Played(replace(note, duration=duration), span._replace(off=let_go))

    def _measure_velocities(self) -> None:
        """Velocities from how loud each note is for its envelope, the loudest note at 127.

        What is too short for its envelope to rise is not asked which is the loudest: it may be no note.
        """
        ratios: list[float] = []
        for stretch in self.stretches:
            level_L, _ = self.part(stretch)
            ratios += loudness(
                level_L, self.batch(stretch), self.envelope, self.model.format.rate,
                self.model.format.cut_fade_ms,
            ).tolist()  # fmt: skip
        asked = [
            ratio for (note, _), ratio in zip(self.played, ratios, strict=True) if note.duration >= SHORTEST_S
        ]
        highest = max(max(asked or ratios), 1e-9)
        self.played = [
            Played(replace(note, velocity=min(max(round(ratio / highest * 127.0), 1), 127)), span)
            for (note, span), ratio in zip(self.played, ratios, strict=True)
        ]

    def heard(self) -> Heard:
        if not self.played:
            return Heard((), DEFAULT, (), (), None)
        stretch = self.stretches[0]
        seen = self.listened.features
        if seen is None or stretch.stop - stretch.start < self.samples:
            seen = features(self._sound(stretch.start, stretch.stop), self.model.format.rate)
        passage = Passage(seen, self.batch(stretch), self.scale)
        beside = unexplained(seen.long_BGC, passage.notes, self.model.format.rate)
        last = self.played[-1].span
        rings = last.end - last.off >= 0.02 * self.model.format.rate
        notes = tuple(note for note, _ in self.played)
        return Heard(notes, self.envelope, self.sure, self.errors, passage, rings, beside)

    def _sound(self, start: int, stop: int) -> Tensor:
        return sound_of(self.audio[start:stop], self.scale, self.listened.level_L.device)


def to_envelope(batch: EnvelopeBatch) -> Envelope:
    """The first envelope of a batch as the contract's dataclass."""
    attack, hold, decay, sustain, release, curve = (float(value.flatten()[0]) for value in batch)
    return Envelope(attack, decay, sustain, release, hold, "exponential" if curve > 0.5 else "linear")


def loudness(level_L: Tensor, notes: NoteBatch, envelope: Envelope, rate: int, cut_fade_ms: float) -> Tensor:
    """How loud each note of a clip is for its envelope and velocity, [N]: the ratio of RMS levels."""
    at_BL = (torch.arange(len(level_L), device=level_L.device) * float(LEVEL_HOP))[None]
    full = notes._replace(velocity_BN=torch.ones_like(notes.velocity_BN))
    gain_BL = clip_gain(full, envelope_batch([envelope]).to(level_L.device), at_BL, rate, cut_fade_ms)
    index_BL, inside_BL = owner(notes, at_BL)
    inside = (inside_BL & (at_BL < notes.end_BN.gather(1, index_BL)))[0].float()
    sums = torch.zeros(2, notes.onset_BN.shape[1], device=level_L.device)
    sums.index_add_(1, index_BL[0], torch.stack([level_L * inside, gain_BL[0].square() * inside]))
    return (sums[0] / sums[1].clamp(min=1e-6)).sqrt()
