"""Descriptions: confidences of what was measured, and what cannot be measured."""

from __future__ import annotations

from dataclasses import replace

from manifests.types import Note
from tests.support.tunes import ENVELOPE
from train.systems.triptych.hearing.analysis_result import Analysis
from train.systems.triptych.inference import description


def analysed(
    *notes: tuple[float, float], sure: float = 0.9, rings: bool = False, errors: float = 0.01
) -> Analysis:
    made = tuple(Note(at, length, 60, 100) for at, length in notes)
    return Analysis(made, ENVELOPE, (sure,) * len(made), (errors,) * 5, None, rings)


def test_unobservable_factors_are_reported() -> None:
    assert description.note_doubts(analysed(), "a") == ("a: no note is heard; it is taken for silence",)
    fine = analysed((0, 0.3), (0.5, 0.2))
    assert description.note_doubts(fine, "a") == description.envelope_doubts(fine, "a") == ()
    (legato,) = description.envelope_doubts(analysed((0, 0.5), (0.5, 0.2)), "a")
    assert "no release is heard" in legato
    (one,) = description.note_doubts(analysed((0, 0.5), rings=True), "a")
    assert "one note only" in one
    assert description.envelope_doubts(analysed((0, 0.5), rings=True), "a") == ()
    (short,) = description.envelope_doubts(analysed((0, 0.05), (0.1, 0.05)), "a")
    assert "sustain is a guess" in short
    assert "no pitch is heard" in description.note_doubts(analysed((0, 0.3), (0.5, 0.2), sure=0.1), "a")[0]
    assert "several voices" in description.note_doubts(analysed((0, 0.3), (0.5, 0.2), sure=0.4), "a")[0]
    (two,) = description.note_doubts(replace(fine, nonharmonic_ratio=0.24), "a")
    assert "24% of its power is at no harmonic of its notes: several voices" in two


def test_confidence_falls_with_the_error_of_the_fit_and_needs_a_release() -> None:
    sure, unsure = (description.confidences(analysed((0, 0.3), (0.5, 0.2), errors=e)) for e in (0.01, 1.0))
    assert all(sure[name] > unsure[name] for name in sure)
    assert description.confidences(analysed((0, 0.5), (0.5, 0.2)))["release_ms"] == 0.0
    assert description.confidences(analysed()) == description.confidences(analysed())


def test_what_no_envelope_explains_is_reported_with_its_size() -> None:
    odd = replace(analysed((0, 0.3), (0.5, 0.2)), misfit_db=4.25)
    (doubt,) = description.envelope_doubts(odd, "a")
    assert "no envelope explains its level" in doubt
    assert "4.2 dB" in doubt


def test_notes_that_die_away_have_no_note_off_to_be_heard() -> None:
    dying = replace(ENVELOPE, sustain=0.0, attack_ms=5.0, hold_ms=0.0, decay_ms=100.0)
    long = replace(analysed((0, 0.5), (0.5, 0.5), rings=True), envelope=dying)
    assert any("no note-off is heard" in doubt for doubt in description.note_doubts(long, "a"))
    short = replace(analysed((0, 0.15), (0.5, 0.15), rings=True), envelope=dying)
    assert not any("no note-off is heard" in doubt for doubt in description.note_doubts(short, "a"))
