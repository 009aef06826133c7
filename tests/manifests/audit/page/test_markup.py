"""Markup of the audit page."""

from __future__ import annotations

from manifests.audit.page.markup import LONGEST, words


def test_long_names_are_truncated() -> None:
    assert len(words("x" * 10_000)) == LONGEST
