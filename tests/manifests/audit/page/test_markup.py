"""Markup of the audit page."""

from __future__ import annotations

from manifests.audit.page.markup import LONGEST, words


def test_a_long_name_is_cut() -> None:
    assert len(words("x" * 10_000)) == LONGEST
