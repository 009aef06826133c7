"""Saves a plugin's state as a host would, in a process of its own without a display."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys, dawdreamer
engine = dawdreamer.RenderEngine(44100, 512)
synth = engine.make_plugin_processor("synth", sys.argv[1])
index = {row["name"]: row["index"] for row in synth.get_parameters_description()}
for name, value in json.loads(sys.argv[2]).items():
    synth.set_parameter(index[name], value)
engine.load_graph([(synth, [])])
engine.render(0.1)
synth.save_state(sys.argv[3])
"""


def save_state(plugin: Path, values: dict[str, float], path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    command = [sys.executable, "-c", PROGRAM, str(plugin), json.dumps(values), str(path)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
