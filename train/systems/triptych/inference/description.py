"""Describes a recording: confidences of the envelope's numbers, the nearest train timbres, and doubts.

A doubt is a sentence for the user. It names what a recording does not show, and what was assumed instead.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from manifests.synthesis.envelope import settle_ms
from train.systems.base import Audio, Description
from train.systems.triptych.hearing.analysis import analyse
from train.systems.triptych.hearing.analysis_result import Analysis
from train.systems.triptych.hearing.octave import choose_octave
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.playing.timbre_extraction import timbre_of

TIME_TOLERANCE = 0.2
"""A time counts as right within this distance of its natural logarithm: 20%."""

SUSTAIN_TOLERANCE = 0.05
"""A sustain level counts as right within this distance."""

ERROR_SCALE = 0.6
"""Scale of the Laplace distribution of errors, in standard errors of the fit: from validation clips."""

UNEXPLAINED_DB = 2.0
"""Deviation of a level in dB from which no envelope explains it. Validation clips have at most 0.3."""

DIED_S, DIED_SUSTAIN = 0.1, 0.02
"""A held note has died away if it is this many seconds past its decay, to at most this sustain level."""

SHORTEST_RELEASE_S = 0.02
"""A release counts as audible if at least this many seconds pass before the next onset."""

NO_PITCH = 0.2
"""Mean pitch confidence below which a recording counts as unpitched."""

UNSURE_PITCH = 0.5
"""Mean pitch confidence below which the pitches are doubted."""

MAX_NONHARMONIC = 0.1
"""Nonharmonic power ratio above which other voices are suspected; measured on mixtures of clips."""

ENVELOPE_NUMBERS = ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms")


def count_releases(analysis: Analysis) -> int:
    """Counts the notes whose release is audible."""
    next_onsets = [note.onset for note in analysis.notes[1:]]
    gaps = [onset - note.off for note, onset in zip(analysis.notes, next_onsets, strict=False)]
    return sum(gap >= SHORTEST_RELEASE_S for gap in gaps) + analysis.last_note_released


def confidences(analysis: Analysis) -> dict[str, float]:
    """Estimates for each number of the envelope the probability, 0..1, that it is right.

    Right means within 20% for times and within 0.05 for the sustain level. The probability follows from the
    standard errors of the fit. A note-off may be mistaken for another part of the envelope, so the confidence
    in the release is multiplied by 1 - 2^-n for n audible releases. Empty without notes.
    """
    values = {}
    for name, error in zip(ENVELOPE_NUMBERS, analysis.envelope_errors, strict=False):
        tolerance = 4.0 * SUSTAIN_TOLERANCE if name == "sustain" else TIME_TOLERANCE
        values[name] = 1.0 - math.exp(-tolerance / (ERROR_SCALE * max(error, 1e-6)))
    if values:
        values["release_ms"] *= 1.0 - 0.5 ** count_releases(analysis)
    return {name: round(value, 3) for name, value in values.items()}


def note_doubts(analysis: Analysis, name: str) -> tuple[str, ...]:
    """Writes the doubts about the notes of a recording that messages call `name`."""
    if not analysis.notes:
        return (f"{name}: no note is heard; it is taken for silence",)
    doubts = []
    durations = [note.duration for note in analysis.notes]
    confidence = float(np.average(analysis.pitch_confidence, weights=durations))
    if confidence < NO_PITCH:
        doubts.append(
            f"{name}: no pitch is heard (certainty {confidence:.2f}); its notes get the likeliest ones"
        )
    elif confidence < UNSURE_PITCH:
        doubts.append(
            f"{name}: pitches are unsure (certainty {confidence:.2f}): several voices, or unlike what was"
            " trained on; one line of notes is taken"
        )
    elif analysis.nonharmonic_ratio > MAX_NONHARMONIC:
        doubts.append(
            f"{name}: {analysis.nonharmonic_ratio:.0%} of its power is at no harmonic of its notes: several"
            " voices, or an inharmonic sound; one line of notes is taken, and the rest is lost"
        )
    if dies_before_note_offs(analysis):
        doubts.append(
            f"{name}: its notes have died away before they end, so that no note-off is heard; each is taken"
            " to be held until the next onset"
        )
    if len(analysis.notes) == 1:
        doubts.append(f"{name}: one note only; envelope and timbre are estimated from it alone")
    return tuple(doubts)


def envelope_doubts(
    analysis: Analysis, name: str, used: Collection[str] = ENVELOPE_NUMBERS
) -> tuple[str, ...]:
    """Writes the doubts about release, sustain level and shape of a recording that messages call `name`.

    Only numbers in `used`, those that the conversion depends on, are doubted.
    """
    doubts = []
    if "release_ms" in used and analysis.notes and not count_releases(analysis):
        doubts.append(f"{name}: no release is heard, every note is cut off; release_ms is a guess")
    if used and analysis.misfit_db > UNEXPLAINED_DB:
        doubts.append(
            f"{name}: no envelope explains its level, which deviates by {analysis.misfit_db:.1f} dB on"
            " average: its segments have other shapes, or its tone is unsteady"
        )
    if "sustain" in used and analysis.notes and not reaches_sustain(analysis):
        doubts.append(f"{name}: no note is long enough to reach its sustain level; sustain is a guess")
    return tuple(doubts)


def dies_before_note_offs(analysis: Analysis) -> bool:
    """Tells whether most notes are silent before they end, so that only the prior tells their note-offs."""
    if analysis.envelope.sustain > DIED_SUSTAIN:
        return False
    silent_s = settle_ms(analysis.envelope) / 1000.0 + DIED_S
    return 2 * sum(note.duration >= silent_s for note in analysis.notes) > len(analysis.notes)


def reaches_sustain(analysis: Analysis) -> bool:
    """Tells whether any note is held until its envelope has reached the sustain level."""
    settled_ms = settle_ms(analysis.envelope)
    return any(1000.0 * note.duration >= settled_ms for note in analysis.notes)


def describe(model: TriptychModel, audio: Audio, count: int = 3) -> Description:
    """Describes a recording, float32 [n] at the model's rate, with the `count` nearest train timbres.

    Their probabilities are those of the classifier that the timbre vector was trained with. So a checkpoint
    needs to hold no examples of the train timbres.

    Example::

        describe(model, audio).envelope.release_ms
    """
    (analysis,) = analyse(model, [audio])
    nearest: tuple[tuple[str, float], ...] = ()
    timbre = timbre_of(model, analysis)
    if timbre is not None:
        probability = model.timbre_head(timbre.vectors[:, 0])[0].softmax(-1)
        best = probability.topk(min(count, len(model.format.timbres)))
        nearest = tuple(
            (model.format.timbres[index], round(value, 3))
            for index, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )
    doubts = note_doubts(analysis, "recording") + envelope_doubts(analysis, "recording")
    octave = choose_octave(model, analysis, timbre)
    return Description(
        notes=analysis.notes,
        envelope=analysis.envelope,
        confidence=confidences(analysis),
        octave=octave.octave,
        nearest=nearest,
        doubts=doubts,
        octave_probability=octave.probability,
        misfit_db=analysis.misfit_db,
        runner_up=analysis.runner_up,
        runner_up_misfit_db=analysis.runner_up_misfit_db,
    )
