"""Parts of the audit page as data."""

from __future__ import annotations

from manifests.audit.page.sections import MAX_CHARACTERS, Table, shorten


def test_a_long_name_is_cut() -> None:
    assert len(shorten("x" * 10_000)) == MAX_CHARACTERS


def test_a_column_of_numbers_is_told_from_one_of_words() -> None:
    assert Table(["n", "name"], [["1,200", "a"], ["−3", "4 of 5"], ["", ""]]).numeric == [True, False]
    assert Table(["n"], []).numeric == [False]
