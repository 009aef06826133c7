"""What a plugin says of itself; `python -m presets.host.plugin_parameters KIND PLUGIN` prints one JSON line.

It runs in a process of its own, without a display and with a private home, since nothing is known of the
plugin yet. `ask` starts it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from manifests.child_process import module_command
from presets.host.client import host_environment
from presets.synths.jobs import MachineFailure

MARK = "triptych-plugin-facts "
TIMEOUT_S = 120.0
PSEUDO = re.compile(r"(?i)\bmidi\s*(ch|cc)|^cc\s*\d")
"""VST3 hosts list thousands of these behind a plugin's real parameters: controllers, one a channel."""


@dataclass(frozen=True)
class PluginParameter:
    """A real parameter: its name, its value where the plugin starts (0..1), the plugin's text for it."""

    name: str
    value: float
    text: str


def probe_parameters(kind: str, plugin: Path) -> list[PluginParameter]:
    """The plugin's real parameters; MachineFailure with its last words if it cannot be opened."""
    with tempfile.TemporaryDirectory() as folder:
        command = module_command("presets.host.plugin_parameters", kind, str(plugin.resolve()))
        try:
            done = subprocess.run(
                command,
                env=host_environment(Path(folder)),
                cwd=folder,
                capture_output=True,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise MachineFailure(f"{plugin}: not open after {TIMEOUT_S:g} s without a display") from None
    lines = done.stdout.decode(errors="replace").splitlines()
    facts = [line[len(MARK) :] for line in lines if line.startswith(MARK)]
    if not facts:
        said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())[-300:]
        raise MachineFailure(f"{plugin}: does not open without a display (status {done.returncode}: {said})")
    found = [PluginParameter(**parameter) for parameter in json.loads(facts[-1])]
    return [parameter for parameter in found if not PSEUDO.search(parameter.name)]


def main() -> None:
    import dawdreamer

    engine = dawdreamer.RenderEngine(44100, 512)
    synth = engine.make_plugin_processor("synth", sys.argv[2])
    facts = [
        {"name": row["name"], "value": float(synth.get_parameter(row["index"])), "text": str(row["text"])}
        for row in synth.get_parameters_description()
    ]
    print(f"\n{MARK}{json.dumps(facts)}", flush=True)


if __name__ == "__main__":
    main()
