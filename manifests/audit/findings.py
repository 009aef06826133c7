"""What an audit finds, and what it looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

from manifests.types import InputError

BROKEN = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
"""What code raises that meets values it was not made for: in an audit a finding, never a traceback."""
SHOWN = 8
"""How many findings of one check are spelled out; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect: the check that found it, where, and what is wrong there."""

    check: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.check}: {self.where}: {self.what}"


def some(check: str, found: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Findings of one kind from (where, what) pairs."""
    return (Finding(check, where, what) for where, what in found)


def guarded(where: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, and where the data are too broken for the check itself, a last one that says so."""
    try:
        yield from findings
    except BROKEN as error:
        yield Finding("malformed", where, f"cannot be checked: {reason(error)}")


def reason(error: Exception) -> str:
    """An exception in one short line."""
    said = " ".join(str(error).split())[:200]
    return said if isinstance(error, InputError) else f"{type(error).__name__}: {said}"


@dataclass(slots=True)
class Report:
    """An audit's outcome: the checks made with what each looked at, and all findings."""

    dataset: str
    looked_at: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """How many findings each check had."""
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    """Counts, loudness and brightness by split."""

    def add(self, check: str, looked_at: str, findings: Iterable[Finding]) -> None:
        """Runs a check to its end and notes what it looked at; of many findings it keeps the first few."""
        more: Counter[str] = Counter()
        for finding in guarded(check, findings):
            more[finding.check] += 1
            if more[finding.check] <= SHOWN:
                self.findings.append(finding)
        for name, count in more.items():
            if count > SHOWN:
                self.findings.append(Finding(name, f"{count - SHOWN} more", "of the same kind"))
        self.looked_at[check] = looked_at
        self.counts[check] = sum(more.values())

    @property
    def passed(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, object]:
        return {
            "dataset": self.dataset,
            "passed": self.passed,
            "looked_at": self.looked_at,
            "figures": self.figures,
            "findings": [asdict(finding) for finding in self.findings],
        }
