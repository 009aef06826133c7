"""Value types: clip ids, envelopes and notes refuse what is out of range."""

from __future__ import annotations

import pytest

from manifests.types import ClipId, Envelope, InputError, Note, check_notes


def test_a_key_encodes_its_ids_and_other_text_is_refused() -> None:
    clip = ClipId(12, 17, 3, 42)
    assert clip.key == "b000012_t00017_e0003_p0042"
    assert ClipId.parse(clip.key) == clip
    for bad in ("b12_t17_e3_p42", "../b000012_t00017_e0003_p0042", clip.key + ".flac", ""):
        with pytest.raises(InputError, match="expected the form"):
            ClipId.parse(bad)


@pytest.mark.parametrize(
    "field", [{"attack_ms": -1}, {"sustain": 1.2}, {"release_ms": float("nan")}, {"curve": "cubic"}]
)
def test_an_envelope_out_of_range_is_refused_by_field(field: dict) -> None:
    values = {"attack_ms": 1, "decay_ms": 1, "sustain": 0.5, "release_ms": 1, **field}
    with pytest.raises(InputError, match=next(iter(field))):
        Envelope(**values)


@pytest.mark.parametrize(
    ("notes", "what"),
    [
        ([], "at least one note"),
        ([Note(0, 1, 128, 1)], "pitch 128"),
        ([Note(0, 1, 60, 0)], "velocity 0"),
        ([Note(0, 1, 60, 1), Note(0.5, 1, 60, 1)], "monophonic"),
        ([Note(2.5, 1, 60, 1)], "after the clip"),
        ([Note(0, 0, 60, 1)], "duration"),
    ],
)
def test_invalid_phrases_are_refused(notes: list[Note], what: str) -> None:
    with pytest.raises(InputError, match=what):
        check_notes(notes, 3.0)
