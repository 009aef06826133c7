"""Lists a plugin's parameters: `python -m presets.host.plugin_parameters KIND PLUGIN` prints a JSON line.

`probe_parameters` starts this command in a process without a display and with a private home, because an
unknown plugin may crash.
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
"""VST3 plugins list thousands of MIDI controllers, one per channel, after their real parameters."""


@dataclass(frozen=True)
class PluginParameter:
    """Holds a parameter's name, its default value (0..1), and the plugin's text for that value."""

    name: str
    value: float
    text: str


def probe_parameters(kind: str, plugin: Path) -> list[PluginParameter]:
    """Lists a plugin's parameters, without MIDI controllers. `kind` is "vst2" or "vst3".

    Raises MachineFailure with the end of the plugin's output if it does not open within `TIMEOUT_S`.

    Example::

        names = [parameter.name for parameter in probe_parameters("vst2", Path("synth.so"))]
    """
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
        output = " ".join((done.stderr or done.stdout).decode(errors="replace").split())[-300:]
        raise MachineFailure(
            f"{plugin}: does not open without a display (status {done.returncode}: {output})"
        )
    parameters = [PluginParameter(**parameter) for parameter in json.loads(facts[-1])]
    return [parameter for parameter in parameters if not PSEUDO.search(parameter.name)]


def main() -> None:
    """Opens the plugin of the command line and prints its parameters."""
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
