"""Measures an unknown plugin and writes a draft of its profile: `python -m presets calibrate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import console
from manifests.dataset import files
from manifests.types import InputError
from presets.calibration.doubles import amplitude_parameter
from presets.calibration.draft import draft_profile
from presets.calibration.measure_plugin import PluginBench, StageName, measure_behaviour
from presets.calibration.measure_stages import measure_stages
from presets.synths.profile import PLUGIN_KINDS

Name = Annotated[str | None, typer.Option(help="the plugin's name of the parameter that sets this stage")]


def calibrate(
    plugin: Annotated[Path, typer.Argument(help="plugin file (.so, .dll, .vst, .vst3)")],
    attack: Name = None,
    decay: Name = None,
    sustain: Name = None,
    release: Name = None,
    out: Annotated[
        Path | None, typer.Option(help="write the draft to this file (.yaml) instead of printing it")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE (0..1): fix a parameter, e.g. switch an effect off"),
    ] = None,
    pitch: Annotated[
        int, typer.Option(min=0, max=127, help="MIDI note to play; high notes show short times")
    ] = 84,
    html: Annotated[
        Path | None, typer.Option(help="write a page with every measured point to this file (.html)")
    ] = None,
    longest_s: Annotated[
        float, typer.Option(min=1.0, max=120.0, help="longest segment to measure, in seconds")
    ] = 20.0,
) -> None:
    """Measures a plugin's repeatability and its envelope parameters, and drafts a profile."""
    if plugin.suffix not in PLUGIN_KINDS or not plugin.exists():
        raise InputError(f"{plugin}: no such plugin; expected a file ending in {', '.join(PLUGIN_KINDS)}")
    for option, path in (("--out", out), ("--html", html)):
        if path is not None and path.exists():
            raise InputError(f"{option} {path}: exists already; choose another name")
    fixed = dict(_setting(text) for text in set_ or [])
    progress = console.terminal(stderr=True)
    progress.print(f"opening {plugin}")
    bench = PluginBench(plugin, PLUGIN_KINDS[plugin.suffix], fixed, pitch)
    progress.print(f"{len(bench.names)} parameters; measuring repeatability")
    measure_behaviour(bench)
    named: dict[StageName, str | None] = {
        "attack": attack, "decay": decay, "sustain": sustain, "release": release,
    }  # fmt: skip
    parameters = {stage: parameter for stage, parameter in named.items() if parameter is not None}
    for stage, name in parameters.items():
        parameters[stage] = amplitude_parameter(bench, name)
        if parameters[stage] != name:
            progress.print(
                f"{stage}: of the parameters called {name!r}, {parameters[stage]!r} sets the level"
            )
    for stage in measure_stages(bench, parameters, longest_s):
        law = bench.calibration.stages[stage]
        progress.print(f"{stage}: {len(law.points)} values of {law.parameter!r} measured")
    text, contents = draft_profile(bench.calibration, fixed), {}
    if html is not None:
        from presets.calibration.page import calibration_page

        contents[html] = calibration_page(bench.calibration).encode()
    if out is not None:
        contents[out] = text.encode()
    files.replace_all(contents)
    if html is not None:
        progress.print(f"page {html}: every measured point")
    if out is None:
        sys.stdout.write(text)
    else:
        print(f"draft {out}: finish the lines marked TODO, then use the file as a synth")


def _setting(text: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    try:
        if not equals or not 0.0 <= float(value) <= 1.0:
            raise ValueError(value)
    except ValueError:
        raise InputError(f"--set {text!r}: expected NAME=VALUE with a value 0..1") from None
    return name, float(value)
