"""Findings of an audit, and the report that collects them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

from manifests.types import InputError

DATA_ERRORS = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
"""Exceptions that code raises on data it was not made for. An audit reports them, never as a traceback."""
MAX_LISTED = 8
"""Findings of one check that are listed; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect: the check that found it, where it is, and what is wrong there."""

    check: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.check}: {self.where}: {self.what}"


def findings_of(check: str, defects: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Makes findings of one check from (where, what) pairs.

    Example:
        >>> list(findings_of("missing", [("README.md", "is not there")]))
        [Finding(check='missing', where='README.md', what='is not there')]
    """
    return (Finding(check, where, what) for where, what in defects)


def guarded(where: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yields findings; if the data break the check itself, end with a finding that says so."""
    try:
        yield from findings
    except DATA_ERRORS as error:
        yield Finding("malformed", where, f"cannot be checked: {error_line(error)}")


def error_line(error: Exception) -> str:
    """Describes an exception in one line of at most 200 characters and its type."""
    message = " ".join(str(error).split())[:200]
    return message if isinstance(error, InputError) else f"{type(error).__name__}: {message}"


@dataclass(slots=True)
class Report:
    """Outcome of an audit: what each check looked at, and all findings."""

    dataset: str
    looked_at: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """Number of findings of each check."""
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    """Counts, loudness and brightness by split."""

    def add(self, check: str, looked_at: str, findings: Iterable[Finding]) -> None:
        """Runs a check to its end and keeps its findings, of many of one kind the first few."""
        kinds: Counter[str] = Counter()
        for finding in guarded(check, findings):
            kinds[finding.check] += 1
            if kinds[finding.check] <= MAX_LISTED:
                self.findings.append(finding)
        for name, count in kinds.items():
            if count > MAX_LISTED:
                self.findings.append(Finding(name, f"{count - MAX_LISTED} more", "of the same kind"))
        self.looked_at[check] = looked_at
        self.counts[check] = sum(kinds.values())

    @property
    def passed(self) -> bool:
        """Whether there is no finding."""
        return not self.findings

    def as_json(self) -> dict[str, object]:
        """Returns what `audit --json` prints."""
        return {
            "dataset": self.dataset,
            "passed": self.passed,
            "looked_at": self.looked_at,
            "figures": self.figures,
            "findings": [asdict(finding) for finding in self.findings],
        }
