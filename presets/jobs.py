"""What a host is asked for and how it fails: plain data, shared by the client and the child process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from manifests.vocabulary import Note

GIB = 1 << 30


class GroupFailure(Exception):
    """A preset's own fault: it is silent, crashes the plugin, hangs, ... Never the machine's."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class MachineFailure(Exception):
    """This machine cannot host the synth: plugin missing or different, no memory, no disk, dead host."""


@dataclass(frozen=True)
class Limits:
    """What one group may use. Time is CPU time; only a process that does nothing is timed by the clock."""

    cpu_s: int = 60
    idle_s: float = 60.0
    memory_bytes: int = 2 * GIB


@dataclass(frozen=True)
class GroupJob:
    """One group: values to send to the host by parameter name, notes in order, seconds to render."""

    settings: dict[str, float]
    notes: tuple[Note, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {
            "settings": dict(sorted(self.settings.items())),
            "notes": [asdict(note) for note in self.notes],
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> GroupJob:
        return cls(value["settings"], tuple(Note(**note) for note in value["notes"]), value["seconds"])
