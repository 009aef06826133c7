"""A calibration written as a draft profile (YAML) that a person finishes: comments say what was measured."""

from __future__ import annotations

import json
from typing import get_args

from presets.calibration.measure_plugin import Calibration, StageLaw, StageName
from presets.synths.envelope_map import TableLaw

REASONS = {
    "attack": (0, "the amplitude envelope is ours"),
    "decay": (0, "the amplitude envelope is ours"),
    "sustain": (1, "the amplitude envelope is ours"),
    "release": (0, "a tone must be over before the next one starts"),
}


def draft_profile(found: Calibration, fixed: dict[str, float]) -> str:
    """The profile's text. Values are 0..1, as the plugin takes them."""
    name = "".join(c if c.isalnum() else "-" for c in found.plugin.stem.lower())
    lines = [
        f"# Draft by `python -m presets calibrate {found.plugin.name}`; what is left for a person says TODO.",
        f"# {_repeats(found)}",
        f"# First renders that differ from later ones: {found.warm_up_renders}. {_bleed(found)}",
        "# It opens without a display.",
    ]
    if found.silent:
        lines.append("# TODO its first sound is SILENT: give --set NAME=VALUE, or presets (banks:).")
    if found.limited:
        lines.append(
            "# TODO its level stops rising with the sustain: an output limiter or distortion bends what"
        )
        lines.append("# was measured. Calibrate again with its volume lowered (--set NAME=VALUE).")
    lines += [
        f"name: {name}",
        f"kind: {found.kind}",
        f"plugin: {_quoted(str(found.plugin.resolve()))}",
        f"matches: [{_quoted(found.plugin.name)}]",
        f"deterministic: {_yes(found.repeats_within and found.repeats_across)}",
        f"isolation: {found.isolation}",
        f"warm_up_s: {0.2 if found.warm_up_renders <= 1 else 0.5}",
        "presets: files",
        "# banks: presets     # TODO a folder of .fxp, .vstpreset, .state or .yaml files, beside this file",
        "parameters:           # low, high, value where a preset does not say (TODO: what need be set only)",
    ]
    for parameter in found.parameters:
        start = fixed.get(parameter.name, parameter.value)
        lines.append(f"  {_quoted(parameter.name)}: [0, 1, {start:.6g}]")
    lines.append(
        "pinned:               # TODO also: effects off (reverb, delay, chorus), velocity off, glide off"
    )
    for parameter_name, value in fixed.items():
        lines.append(f'  {_quoted(parameter_name)}: {{value: {value:g}, why: "as it was measured (TODO)"}}')
    for stage, law in found.stages.items():
        value, why = REASONS[stage]
        lines.append(f"  {_quoted(law.parameter)}: {{value: {value}, why: {why}}}")
    if not found.stages and not fixed:
        lines[-1] = lines[-1].replace("pinned:", "pinned: {}")
    lines += _envelope(found)
    return "\n".join(lines) + "\n"


def _envelope(found: Calibration) -> list[str]:
    lines = []
    for stage, law in found.stages.items():
        missed = f"; {law.missed} values could not be measured" if law.missed else ""
        said = "hardly changes: TODO is it the right parameter?" if law.law is None else _law(law)
        lines.append(f"# {stage}: {len(law.points)} values measured{missed}; {said}")
    whole = all(stage in found.stages and found.stages[stage].law for stage in get_args(StageName))
    if not whole:
        lines.append("# TODO no `envelope:`: it takes all of attack, decay, sustain and release.")
        return lines
    lines.append("envelope:             # ms (sustain: level) of a value; what `shaping: plugin` sets")
    for stage, law in found.stages.items():
        assert law.law is not None
        curve = json.dumps(law.law.model_dump(mode="json")).replace('"', "")
        lines.append(f"  {stage}: {{parameter: {_quoted(law.parameter)}, curve: {curve}}}")
    lines.append(f"  shape: {found.shape}")
    return lines


def _law(stage: StageLaw) -> str:
    low, high = stage.points[0][1], stage.points[-1][1]
    kind = "table" if isinstance(stage.law, TableLaw) else getattr(stage.law, "kind", "")
    shape = f", segments {stage.shape}" if stage.shape else ""
    return f"{low:.4g} to {high:.4g}, law {kind}{shape}"


def _repeats(found: Calibration) -> str:
    return (
        f"It {'repeats' if found.repeats_within else 'does NOT repeat'} itself bit for bit within a process,"
        f" and {'does' if found.repeats_across else 'does NOT'} across processes."
    )


def _bleed(found: Calibration) -> str:
    if found.bleed_db is None:
        return "A note before leaves no trace."
    return f"A note before changes the next by {found.bleed_db:.0f} dB re its level: hosts must start anew."


def _quoted(text: str) -> str:
    return json.dumps(text)


def _yes(value: bool) -> str:
    return "true" if value else "false"
