"""Explanations of levels: the prior on note-offs, several note lists, and other shapes of segments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from manifests.synthesis import compose
from manifests.types import Envelope, Note, Notes
from tests.support.synthetic_dataset import CUT_FADE_MS
from tests.support.training.tiny_codec import RATE
from train.metrics.envelope import gain_error_db
from train.systems.triptych.hearing.analysis_result import to_envelope
from train.systems.triptych.hearing.explanations import (
    NoteList,
    SegmentLists,
    explain,
    explain_under,
    refine,
)
from train.systems.triptych.hearing.note_checks import MOST_CHANGES, check_onsets, likeliest_changes
from train.systems.triptych.hearing.note_decoding import Onset
from train.systems.triptych.networks.envelope_head import from_units
from train.systems.triptych.networks.features import extract_features
from train.systems.triptych.system import Triptych

SECONDS = 3.0
FRAMES = round(SECONDS * RATE)
LEGATO = tuple(Note(0.5 * place, 0.5, 60 + place, 100) for place in range(6))


def level_of(notes: Notes, envelope: Envelope) -> torch.Tensor:
    """Returns the level of a steady tone that plays notes under an envelope."""
    tone = np.sin(2.0 * np.pi * 331.0 * np.arange(FRAMES) / RATE).astype(np.float32)
    sound = tone * compose.gain(notes, envelope, RATE, FRAMES, CUT_FADE_MS)
    return extract_features(torch.from_numpy(sound)[None], RATE).level_BL[0]


def as_list(notes: Notes) -> NoteList:
    return NoteList(list(zip(notes, compose.spans(notes, RATE, FRAMES), strict=True)), [-0.1] * len(notes))


def let_go_after(notes: Notes, seconds: float) -> Notes:
    return tuple(replace(note, duration=seconds) for note in notes)


def offs_s(off_N: torch.Tensor, notes: Notes) -> list[float]:
    return [
        float(off) / RATE - note.onset for off, note in zip(off_N[: len(notes)].tolist(), notes, strict=True)
    ]


def test_a_note_that_has_died_away_is_taken_as_held(system: Triptych) -> None:
    """Short gates with a high sustain explain a decay to nothing nearly as well: the prior decides."""
    dying = Envelope(attack_ms=40.0, decay_ms=190.0, sustain=0.0, release_ms=60.0)
    segment = SegmentLists(level_of(LEGATO, dying), [as_list(let_go_after(LEGATO, 0.15))])
    ((coarse, runner_up, *_),) = explain(system, [segment])
    assert runner_up.cost >= coarse.cost
    (fine,) = refine(system, [segment], [coarse])
    assert offs_s(fine.off_N, LEGATO) == pytest.approx([0.5] * 6, abs=0.01)
    envelope = to_envelope(from_units(fine.units_P))
    assert gain_error_db(envelope, dying, tail=False) < 1.0
    assert fine.misfit_db < 0.5


@pytest.mark.parametrize("sustain", [0.4, 0.9])
def test_a_rest_that_is_heard_ends_the_note(system: Triptych, sustain: float) -> None:
    envelope = Envelope(attack_ms=10.0, decay_ms=80.0, sustain=sustain, release_ms=60.0)
    played = let_go_after(LEGATO, 0.3)
    segment = SegmentLists(level_of(played, envelope), [as_list(LEGATO)])
    ((coarse, *_),) = explain(system, [segment])
    (fine,) = refine(system, [segment], [coarse])
    assert offs_s(fine.off_N, LEGATO) == pytest.approx([0.3] * 6, abs=0.02)
    assert gain_error_db(to_envelope(from_units(fine.units_P)), envelope) < 1.0


def test_gates_can_be_heard_or_legato(system: Triptych) -> None:
    envelope = Envelope(attack_ms=10.0, decay_ms=80.0, sustain=0.5, release_ms=60.0)
    segment = SegmentLists(
        level_of(let_go_after(LEGATO, 0.3), envelope), [as_list(let_go_after(LEGATO, 0.3))]
    )
    held, heard = (explain(system, [segment], gates)[0][0] for gates in ("legato", "heard"))
    assert offs_s(held.off_N, LEGATO) == pytest.approx([0.5] * 6, abs=0.001)
    assert offs_s(heard.off_N, LEGATO) == pytest.approx([0.3] * 6, abs=0.05)
    assert heard.misfit_db < held.misfit_db


@pytest.mark.parametrize("curve", ["exponential", "linear_exponential"])
def test_segments_of_another_shape_are_found(system: Triptych, curve: str) -> None:
    """The untrained head believes in straight lines."""
    envelope = Envelope(60.0, 200.0, 0.4, 150.0, curve=curve)  # type: ignore[arg-type]
    segment = SegmentLists(level_of(let_go_after(LEGATO, 0.3), envelope), [as_list(LEGATO)])
    ((coarse, *_),) = explain(system, [segment])
    (fine,) = refine(system, [segment], [coarse])
    assert to_envelope(from_units(fine.units_P)).curve == curve
    assert fine.misfit_db < 0.5 * coarse.misfit_db


def test_the_note_list_that_was_played_wins(system: Triptych) -> None:
    envelope = Envelope(attack_ms=20.0, decay_ms=120.0, sustain=0.3, release_ms=60.0)
    spurious = tuple(sorted((*LEGATO, Note(1.2, 0.3, 62, 100)), key=lambda note: note.onset))
    missing = LEGATO[:2] + LEGATO[3:]
    lists = [as_list(spurious), as_list(missing), as_list(LEGATO)]
    ((best, *_),) = explain(system, [SegmentLists(level_of(LEGATO, envelope), lists)])
    assert best.of_list == 2
    known = explain_under(system, SegmentLists(level_of(LEGATO, envelope), lists), best.units_P)
    assert min(known, key=lambda each: each.cost).of_list == 2


def test_onsets_are_dropped_and_added_by_playing(system: Triptych) -> None:
    envelope = Envelope(attack_ms=20.0, decay_ms=120.0, sustain=0.3, release_ms=60.0)
    level_L = level_of(LEGATO, envelope)
    ((best, *_),) = explain(system, [SegmentLists(level_L, [as_list(LEGATO)])])
    true = [Onset(note.onset * RATE, 0.9) for note in LEGATO]
    spurious, missed = Onset(1.2 * RATE, 0.4), true[3]

    def to_notes(onsets: list[Onset]) -> NoteList:
        starts = [onset.at / RATE for onset in onsets]
        ends = [*starts[1:], SECONDS]
        return as_list(tuple(Note(a, b - a, 60, 100) for a, b in zip(starts, ends, strict=True)))

    present = sorted([*true, spurious])
    present.remove(missed)
    checked = check_onsets(system, level_L, present, [missed, spurious], to_notes, best.units_P)  # type: ignore[arg-type]
    assert checked == true


def test_a_long_segment_tries_the_least_sure_onsets() -> None:
    present = [Onset(100.0 * place, 0.5 + place / 1000.0) for place in range(100)]
    changes = likeliest_changes(present, [Onset(5.0, 0.49), Onset(7.0, 0.01)])
    assert len(changes) == MOST_CHANGES
    assert Onset(5.0, 0.49) in changes
    assert Onset(7.0, 0.01) not in changes
    assert likeliest_changes(present[:1], []) == []
