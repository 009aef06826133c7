"""Writes a calibration as a draft profile (YAML). Its comments state the measurements and the open TODOs."""

from __future__ import annotations

import json
from typing import get_args

from presets.calibration.measure_plugin import Calibration, StageLaw, StageName
from presets.synths.envelope_map import TableLaw

PINS = {
    "attack": (0, "the amplitude envelope is ours"),
    "decay": (0, "the amplitude envelope is ours"),
    "sustain": (1, "the amplitude envelope is ours"),
    "release": (0, "a tone must be over before the next one starts"),
}


def draft_profile(calibration: Calibration, fixed: dict[str, float]) -> str:
    """Returns the YAML text of a draft profile. Parameter values are 0..1, as the host sends them.

    `fixed` are the values that were set while measuring; the draft pins them.
    """
    name = "".join(c if c.isalnum() else "-" for c in calibration.plugin.stem.lower())
    lines = [
        f"# Draft by `python -m presets calibrate {calibration.plugin.name}`; finish the lines marked TODO.",
        f"# {_repeats(calibration)}",
        f"# First renders that differ from later ones: {calibration.warm_up_renders}. {_bleed(calibration)}",
        "# It opens without a display.",
    ]
    if calibration.silent:
        lines.append("# TODO its default sound is SILENT: give --set NAME=VALUE, or presets (banks:).")
    if calibration.limited:
        lines.append(
            "# TODO its level stops rising with the sustain value: an output limiter or distortion biases"
        )
        lines.append("# the measurements. Calibrate again with its volume lowered (--set NAME=VALUE).")
    lines += [
        f"name: {name}",
        f"kind: {calibration.kind}",
        f"plugin: {_quoted(str(calibration.plugin.resolve()))}",
        f"matches: [{_quoted(calibration.plugin.name)}]",
        f"deterministic: {_yes(calibration.repeats_within and calibration.repeats_across)}",
        f"isolation: {calibration.isolation}",
        f"warm_up_s: {0.2 if calibration.warm_up_renders <= 1 else 0.5}",
        "presets: files",
        "# banks: presets     # TODO a folder of .fxp, .vstpreset, .state or .yaml files, beside this file",
        "parameters:           # low, high, default (TODO: keep only those that must be set)",
    ]
    for parameter in calibration.parameters:
        start = fixed.get(parameter.name, parameter.value)
        lines.append(f"  {_quoted(parameter.name)}: [0, 1, {start:.6g}]")
    lines.append(
        "pinned:               # TODO also: effects off (reverb, delay, chorus), velocity off, glide off"
    )
    for parameter_name, value in fixed.items():
        lines.append(
            f'  {_quoted(parameter_name)}: {{value: {value:g}, why: "the value while measuring (TODO)"}}'
        )
    for stage, law in calibration.stages.items():
        value, why = PINS[stage]
        lines.append(f"  {_quoted(law.parameter)}: {{value: {value}, why: {why}}}")
    if not calibration.stages and not fixed:
        lines[-1] = lines[-1].replace("pinned:", "pinned: {}")
    lines += _envelope(calibration)
    return "\n".join(lines) + "\n"


def _envelope(calibration: Calibration) -> list[str]:
    lines = []
    for stage, law in calibration.stages.items():
        missed = f"; {law.missed} values could not be measured" if law.missed else ""
        result = "hardly changes: TODO is it the right parameter?" if law.law is None else _law(law)
        lines.append(f"# {stage}: {len(law.points)} values measured{missed}; {result}")
    complete = all(
        stage in calibration.stages and calibration.stages[stage].law for stage in get_args(StageName)
    )
    if not complete:
        lines.append("# TODO no `envelope:`: it needs attack, decay, sustain and release, all measured.")
        return lines
    lines.append(
        "envelope:             # from a value to ms (sustain: to a level); `shaping: plugin` sets it"
    )
    for stage, law in calibration.stages.items():
        assert law.law is not None
        curve = json.dumps(law.law.model_dump(mode="json")).replace('"', "")
        lines.append(f"  {stage}: {{parameter: {_quoted(law.parameter)}, curve: {curve}}}")
    lines.append(f"  shape: {calibration.shape}")
    return lines


def _law(stage: StageLaw) -> str:
    low, high = stage.points[0][1], stage.points[-1][1]
    kind = "table" if isinstance(stage.law, TableLaw) else getattr(stage.law, "kind", "")
    shape = f", segments {stage.shape}" if stage.shape else ""
    return f"{low:.4g} to {high:.4g}, law {kind}{shape}"


def _repeats(calibration: Calibration) -> str:
    return (
        f"Renders are bit-identical within a process: {'yes' if calibration.repeats_within else 'NO'};"
        f" across processes: {'yes' if calibration.repeats_across else 'NO'}."
    )


def _bleed(calibration: Calibration) -> str:
    if calibration.bleed_db is None:
        return "An earlier note does not change the next one."
    return (
        f"An earlier note changes the next one by {calibration.bleed_db:.0f} dB re its level:"
        " every group needs a pristine host."
    )


def _quoted(text: str) -> str:
    return json.dumps(text)


def _yes(value: bool) -> str:
    return "true" if value else "false"
