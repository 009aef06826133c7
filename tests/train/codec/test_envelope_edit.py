"""Envelope edits: values that are set or scaled, and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from manifests.types import Envelope, InputError
from tests.support.tunes import ENVELOPE, tune
from train.codec.api import Codec
from train.codec.envelope_edit import Edit, parse_edit, parse_edits


def test_an_edit_sets_or_scales() -> None:
    assert parse_edit("release_ms", "120") == Edit(120.0, False)
    assert parse_edit("release_ms", " X2.5") == Edit(2.5, True)
    edits = parse_edits({"release_ms": "x2", "sustain": "x3", "attack_ms": "7", "hold_ms": None})
    assert edits(ENVELOPE) == Envelope(7.0, 80.0, 1.0, 180.0, 5.0)
    assert edits.request() == edits
    assert parse_edits({}, "exponential")(ENVELOPE) == replace(ENVELOPE, curve="exponential")
    assert parse_edits({"hold_ms": None}).request() is None


def test_four_values_make_a_complete_envelope() -> None:
    numbers = {"attack_ms": "5", "decay_ms": "200", "sustain": "0.3", "release_ms": "120"}
    assert parse_edits(numbers).request() == Envelope(5.0, 200.0, 0.3, 120.0)
    more = parse_edits({**numbers, "hold_ms": "9"}, "exponential")
    assert more.request() == Envelope(5.0, 200.0, 0.3, 120.0, 9.0, "exponential")
    for name in numbers:
        heard = parse_edits({**numbers, name: "x1"}).request()
        assert callable(heard)
        assert heard(ENVELOPE).hold_ms == ENVELOPE.hold_ms


@pytest.mark.parametrize(
    ("name", "text"), [("release_ms", "loud"), ("sustain", "1.5"), ("decay_ms", "-3"), ("hold_ms", "xx")]
)
def test_an_invalid_edit_is_refused_by_option_name(name: str, text: str) -> None:
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')} {text!r}: expected a number"):
        parse_edit(name, text)


def test_an_unknown_curve_is_refused() -> None:
    with pytest.raises(
        InputError, match="--curve 'round': expected one of linear, linear_exponential, exponential"
    ):
        parse_edits({}, "round")


def test_editing_release_keeps_the_other_values(codec: Codec) -> None:
    plain = codec.convert(tune(), take=frozenset())
    longer = codec.convert(tune(), take=frozenset(), envelope=parse_edits({"release_ms": "x2"}).request())
    assert longer.envelope.release_ms == pytest.approx(2.0 * plain.envelope.release_ms)
    assert longer.envelope.attack_ms == plain.envelope.attack_ms
    assert longer.notes == plain.notes
