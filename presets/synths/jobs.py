"""Defines the render jobs that a host takes and the failures it raises; client and host share them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from typing import Any

from manifests.types import Note

GIB = 1 << 30


class GroupFailure(Exception):
    """Raised if a preset is at fault: it is silent, crashes the plugin, hangs, ...; never the machine."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class MachineFailure(Exception):
    """Raised if this machine cannot host the synth: plugin missing or changed, no memory, host dead."""


@dataclass(frozen=True)
class Limits:
    """Limits the resources of one group.

    `cpu_s` is CPU time. `idle_s` is wall-clock time during which the process uses no CPU.
    """

    cpu_s: int = 60
    idle_s: float = 60.0
    memory_bytes: int = 2 * GIB


@dataclass(frozen=True)
class Take:
    """Describes one of several renders of a group, which follow each other without a reset.

    `settings` are the parameter values to change first, `notes` count from the take's start, `seconds` is its
    length. With `cut`, MIDI's All Sound Off is sent at the start and before every onset.
    """

    settings: dict[str, float]
    notes: tuple[Note, ...]
    seconds: float
    cut: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return {
            "settings": dict(sorted(self.settings.items())),
            "notes": [asdict(note) for note in self.notes],
            "seconds": self.seconds,
            "cut": self.cut,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Take:
        """Reads what `to_json` returned."""
        notes = tuple(Note(**note) for note in value["notes"])
        return cls(value["settings"], notes, value["seconds"], value["cut"])


class PresetRefused(Exception):
    """Raised inside a group if the plugin rejects a preset's state; the preset is at fault."""


@dataclass(frozen=True)
class PresetState:
    """Holds a preset's bytes and their format.

    Formats are `fxp` (also what DawDreamer's save_state writes for a VST2), `vstpreset`, and `zyn` (an
    instrument that is inserted into ZynAddSubFX's own state).
    """

    format: str
    data: bytes


@dataclass(frozen=True)
class GroupJob:
    """Describes what a host renders in one fork of the pristine plugin.

    `settings` are parameter values as `Profile.host_values` returns them, `notes` are in order, `seconds` is
    the length. `state` is loaded before the settings. If `takes` is not empty, the takes are rendered instead
    of `notes` and `seconds`. With `mono` the mean of the channels is returned. With `check` nothing is
    rendered: the group fails unless the state is one of this plugin and changes it.

    Example::

        job = GroupJob({"cutoff": 800.0}, (Note(0.0, 0.5, 60, 100),), 1.0)
    """

    settings: dict[str, float]
    notes: tuple[Note, ...]
    seconds: float
    takes: tuple[Take, ...] = ()
    state: PresetState | None = None
    mono: bool = False
    check: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        state = self.state and {"format": self.state.format, "data": b64encode(self.state.data).decode()}
        return {
            "settings": dict(sorted(self.settings.items())),
            "notes": [asdict(note) for note in self.notes],
            "seconds": self.seconds,
            "takes": [take.to_json() for take in self.takes],
            "state": state,
            "mono": self.mono,
            "check": self.check,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> GroupJob:
        """Reads what `to_json` returned."""
        state = value["state"] and PresetState(value["state"]["format"], b64decode(value["state"]["data"]))
        notes = tuple(Note(**note) for note in value["notes"])
        takes = tuple(Take.from_json(take) for take in value["takes"])
        return cls(value["settings"], notes, value["seconds"], takes, state, value["mono"], value["check"])
