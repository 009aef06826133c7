"""Loads presets into a plugin, and checks that they are the plugin's own and change it.

Plugins take foreign presets without an error, and go on with their default sound. Only the host process
imports this module.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from presets.synths import fxb, zyn
from presets.synths.jobs import PresetRefused, PresetState
from presets.synths.parameter_keys import is_controller


def load_state(synth: Any, state: PresetState) -> None:
    """Loads a preset's bytes into a DawDreamer plugin. Raises PresetRefused if the plugin rejects them.

    DawDreamer's `load_state` is not used: it opens an editor window, which fails without a display.

    Example: `load_state(processor, PresetState("fxp", path.read_bytes()))`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"preset.{'vstpreset' if state.format == 'vstpreset' else 'fxp'}"
        path.write_bytes(
            zyn.insert_instrument(saved(synth), state.data) if state.format == "zyn" else state.data
        )
        load = synth.load_vst3_preset if state.format == "vstpreset" else synth.load_preset
        try:
            taken = load(str(path))
        except RuntimeError as error:
            raise PresetRefused(str(error)) from None
    if not taken:
        raise PresetRefused("the plugin does not take this preset's file")


def saved(synth: Any) -> bytes:
    """Returns the plugin's state as it saves it: for a VST2 the bytes of a .fxb.

    Example: `fxb.plugin_id(saved(processor))`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        synth.save_state(str(path))
        return path.read_bytes()


def check_owner(synth: Any, state: PresetState) -> None:
    """Raises PresetRefused if a VST2 preset names another plugin than this one as its own.

    A VST3 plugin's host compares the class ids itself.

    Example: `check_owner(processor, PresetState("fxp", path.read_bytes()))`.
    """
    if state.format != "fxp":
        return
    own = fxb.plugin_id(saved(synth))
    if fault := fxb.foreign(state.data, own):
        raise PresetRefused(fault)


def check_change(synth: Any, state: PresetState) -> None:
    """Loads a preset and raises PresetRefused if it changes neither parameters nor the state that is saved.

    A plugin's initial state changes nothing at first. So it is loaded again after all parameters were moved.

    Example: `check_change(processor, PresetState("fxp", path.read_bytes()))`.
    """
    check_owner(synth, state)
    rows = [row for row in synth.get_parameters_description() if not is_controller(row["name"])]
    # Some plugins save the time, so that no two states are equal. Then the parameters must tell.
    repeats = saved(synth) == saved(synth)
    if not rows and not repeats:
        return

    def held() -> tuple[list[float], bytes]:
        return [float(synth.get_parameter(row["index"])) for row in rows], saved(synth) if repeats else b""

    before = held()
    load_state(synth, state)
    if held() != before:
        return
    for row, value in zip(rows, before[0], strict=True):
        synth.set_parameter(row["index"], (value + 0.5) % 1.0)
    moved = held()
    load_state(synth, state)
    if held() == moved:
        raise PresetRefused("it changes nothing: the plugin does not read its data")
