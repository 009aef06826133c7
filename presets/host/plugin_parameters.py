"""Asks a plugin for its parameters and id: `python -m presets.host.plugin_parameters KIND PLUGIN DISPLAY`.

`probe_plugin` starts this command in a process with a private home, because an unknown plugin may crash.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from manifests.child_process import module_command
from manifests.dataset.storage import utf8_name
from manifests.limits import described, limited_in
from presets.host.environment import host_environment, start_display
from presets.synths.jobs import MachineFailure
from presets.synths.parameter_keys import is_controller, parameter_keys

MARK = "triptych-plugin-facts "
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class PluginParameter:
    """Holds a parameter's key, its default value (0..1), and the plugin's text for that value.

    The key is the plugin's name for it where that is unique; see `presets.synths.parameter_keys`. `called` is
    the name itself.
    """

    name: str
    value: float
    text: str
    called: str = ""


@dataclass(frozen=True)
class PluginFacts:
    """Holds a plugin's parameters, without MIDI controllers, and the id in its presets (VST2 only)."""

    parameters: tuple[PluginParameter, ...]
    plugin_id: bytes
    needs_display: bool


def probe_parameters(kind: str, plugin: Path) -> list[PluginParameter]:
    """Lists a plugin's parameters, as `probe_plugin` does.

    Example::

        names = [parameter.name for parameter in probe_parameters("vst2", Path("synth.so"))]
    """
    return list(probe_plugin(kind, plugin).parameters)


def probe_plugin(
    kind: str, plugin: Path, home: Path | None = None, needs_display: bool | None = None
) -> PluginFacts:
    """Opens a plugin once and returns its facts. `kind` is "vst2" or "vst3".

    `home` is a folder for its private home, as in a profile. If `needs_display` is None, it is opened without
    a display first. Raises MachineFailure with the end of its output if it does not open within `TIMEOUT_S`.

    Example: `probe_plugin("vst2", Path("synth.so")).plugin_id`.
    """
    answer = _probed(kind, plugin, home, needs_display)
    if isinstance(answer, str):
        raise MachineFailure(f"{plugin}: {answer}")
    return answer


@lru_cache
def _probed(kind: str, plugin: Path, home: Path | None, needs_display: bool | None) -> PluginFacts | str:
    """Returns a plugin's facts, or why it does not open."""
    faults = []
    for display in (False, True) if needs_display is None else (needs_display,):
        with tempfile.TemporaryDirectory() as folder:
            command = module_command(
                "presets.host.plugin_parameters",
                kind,
                str(plugin.resolve()),
                "display" if display else "none",
            )
            where = "with" if display else "without"
            try:
                done = subprocess.run(
                    command,
                    env=host_environment(Path(folder), home),
                    cwd=folder,
                    capture_output=True,
                    timeout=TIMEOUT_S,
                )
            except subprocess.TimeoutExpired:
                faults.append(f"not open after {TIMEOUT_S:g} s {where} a display")
                continue
        lines = done.stdout.decode(errors="replace").splitlines()
        facts = [line[len(MARK) :] for line in lines if line.startswith(MARK)]
        if facts:
            return _read(json.loads(facts[-1]), display)
        output = (done.stderr or done.stdout).decode(errors="replace").splitlines() or ["no output"]
        reason = f"status {done.returncode}: {output[-1].strip()[-300:]}"
        faults.append(f"does not open {where} a display ({reason})")
    return "; ".join(faults) + limited_in(described())


def _read(facts: dict[str, object], display: bool) -> PluginFacts:
    rows = facts["parameters"]
    assert isinstance(rows, list)
    keys = parameter_keys([row["name"] for row in rows])
    parameters = tuple(
        PluginParameter(key, row["value"], row["text"], row["name"])
        for key, row in zip(keys, rows, strict=True)
        if not is_controller(row["name"])
    )
    return PluginFacts(parameters, bytes.fromhex(str(facts["id"])), display)


def main() -> None:
    """Opens the plugin of the command line and prints its facts. Raises OSError if there is no display."""
    kind, plugin, display = sys.argv[1:]
    if display == "display":
        start_display()
    import dawdreamer

    from presets.host.loading import saved
    from presets.synths.fxb import plugin_id

    engine = dawdreamer.RenderEngine(44100, 512)
    synth = engine.make_plugin_processor("synth", str(utf8_name(Path(plugin))))
    parameters = [
        {"name": row["name"], "value": float(synth.get_parameter(row["index"])), "text": str(row["text"])}
        for row in synth.get_parameters_description()
    ]
    own = plugin_id(saved(synth)).hex() if kind == "vst2" else ""
    print(f"\n{MARK}{json.dumps({'parameters': parameters, 'id': own})}", flush=True)


if __name__ == "__main__":
    main()
