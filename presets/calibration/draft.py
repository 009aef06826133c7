"""Writes a calibration as a draft profile (YAML). Its comments state the measurements and the open TODOs."""

from __future__ import annotations

import json
from typing import get_args

from presets.calibration.measure_plugin import Calibration, StageLaw, StageName
from presets.synths.envelope_map import TableLaw

POOR = 0.05
"""Share of its way by which a segment of no known shape deviates from the best of them."""
MOST_MISSED = 5
"""Values that could not be measured that are listed for each stage."""
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
        *_spread(calibration),
        "# It opens only with a display." if calibration.needs_display else "# It opens without a display.",
        *_doubled(calibration),
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
        *(["needs_display: true"] if calibration.needs_display else []),
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
        lines += [f"# {line}" for line in describe_stage(stage, law)]
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
        more = ""
        if stage == "decay":
            for found in law.dependences:
                if found.on == "sustain":
                    more = f", by_sustain: {[list(point) for point in found.points]}"
        lines.append(f"  {stage}: {{parameter: {_quoted(law.parameter)}, curve: {curve}{more}}}")
    lines.append(f"  shape: {_quoted(calibration.shape)}   # constants of attack, decay, release, or a name")
    return lines


def describe_stage(stage: StageName, law: StageLaw) -> list[str]:
    """Describes a stage's measurement in lines of text: law, shape, what it depends on, what is missing.

    Example: `describe_stage("decay", calibration.stages["decay"])[0]`.
    """
    missed = f"; {len(law.missed)} could not be measured" if law.missed else ""
    result = "hardly changes: TODO is it the right parameter?" if law.law is None else _law(law)
    lines = [f"{stage}: {len(law.points)} values measured{missed}; {result}"]
    if law.constant is not None:
        lines.append(
            f"  segments of constant {law.constant:.1f} (0 is straight, 5 as an RC circuit's), up to"
            f" {law.residual:.1%} off that shape"
        )
    if law.residual > POOR:
        lines.append("  TODO no shape fits: set `labels: measured`, or expect that timbres are refused")
    for found in law.dependences:
        factors = ", ".join(f"{factor:.2f} at {value:g}" for value, factor in found.points)
        handled = {
            "sustain": "`by_sustain` states it" if stage == "decay" else "TODO use `labels: measured`",
            "key": "TODO no row can state it: choose another sound, or switch it off (key tracking)",
            "velocity": "clips are played at velocity 100; switch it off",
        }[found.on]
        lines.append(f"  its times depend on {found.on}: times {factors}; {handled}")
    if isinstance(law.law, TableLaw) and len(law.law.points) < len(law.points):
        lines.append(
            f"  {len(law.points) - len(law.law.points)} points that do not rise are not in the table"
        )
    lines += [f"  {line}" for line in law.missed[:MOST_MISSED]]
    if len(law.missed) > MOST_MISSED:
        lines.append(f"  and {len(law.missed) - MOST_MISSED} more")
    return lines


def _law(stage: StageLaw) -> str:
    low, high = stage.points[0][1], stage.points[-1][1]
    kind = "table" if isinstance(stage.law, TableLaw) else getattr(stage.law, "kind", "")
    return f"{low:.4g} to {high:.4g}, law {kind}"


def _doubled(calibration: Calibration) -> list[str]:
    """Lists the parameters whose names others have, too, or that have none."""
    keys: dict[str, list[str]] = {}
    for parameter in calibration.parameters:
        keys.setdefault(parameter.called, []).append(_quoted(parameter.name))
    return [
        f"# {len(of)} parameters are called {_quoted(name)}: {', '.join(of)}"
        for name, of in keys.items()
        if len(of) > 1 or not name.strip()
    ]


def _repeats(calibration: Calibration) -> str:
    return (
        f"Renders are bit-identical within a process: {'yes' if calibration.repeats_within else 'NO'};"
        f" across processes: {'yes' if calibration.repeats_across else 'NO'}."
    )


def _spread(calibration: Calibration) -> list[str]:
    if calibration.voice_spread_db is None:
        return []
    spread = f"{calibration.voice_spread_db:.1f} dB"
    return [f"# Renders of one process go on to differ, by {spread}: its voices differ from each other."]


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
