"""What a host is asked for and how it fails: plain data, shared by the client and the child process."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from typing import Any

from manifests.types import Note

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
class Take:
    """One stretch of a group: values changed before it, notes from its start, seconds to render.

    With `cut` every onset, and the take's start, is preceded by MIDI's All Sound Off.
    """

    settings: dict[str, float]
    notes: tuple[Note, ...]
    seconds: float
    cut: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "settings": dict(sorted(self.settings.items())),
            "notes": [asdict(note) for note in self.notes],
            "seconds": self.seconds,
            "cut": self.cut,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Take:
        notes = tuple(Note(**note) for note in value["notes"])
        return cls(value["settings"], notes, value["seconds"], value["cut"])


class PresetRefused(Exception):
    """The plugin did not take a preset's state: raised in the group, a failure of the preset."""


@dataclass(frozen=True)
class PresetState:
    """A preset's bytes, and how they load: `fxp` (also what save_state of a VST2 wrote), `vstpreset`, or
    `zyn` (an instrument to be put into ZynAddSubFX's own state)."""

    format: str
    data: bytes


@dataclass(frozen=True)
class GroupJob:
    """One group: values to send to the host by parameter name, notes in order, seconds to render.

    `state` is loaded before the values are set. With `takes` it is these that are played, one behind the
    other, in place of `notes` and `seconds`. With `mono` the channels' mean is what comes back.
    """

    settings: dict[str, float]
    notes: tuple[Note, ...]
    seconds: float
    takes: tuple[Take, ...] = ()
    state: PresetState | None = None
    mono: bool = False

    def to_json(self) -> dict[str, Any]:
        state = self.state and {"format": self.state.format, "data": b64encode(self.state.data).decode()}
        return {
            "settings": dict(sorted(self.settings.items())),
            "notes": [asdict(note) for note in self.notes],
            "seconds": self.seconds,
            "takes": [take.to_json() for take in self.takes],
            "state": state,
            "mono": self.mono,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> GroupJob:
        state = value["state"] and PresetState(value["state"]["format"], b64decode(value["state"]["data"]))
        notes = tuple(Note(**note) for note in value["notes"])
        takes = tuple(Take.from_json(take) for take in value["takes"])
        return cls(value["settings"], notes, value["seconds"], takes, state, value["mono"])
