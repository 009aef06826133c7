"""Lists synths and their presets, and shows the tones of one preset: `python -m presets`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from manifests.cli import console
from manifests.types import InputError
from presets.cli import calibrate as calibrate_cli
from presets.cli import match as match_cli
from presets.cli import scan as scan_cli
from presets.host.client import GroupFailure, MachineFailure, SnapshotHost
from presets.host.usable import usable_presets
from presets.synths.preset import Preset
from presets.synths.profile import load_profile, profile_names
from presets.synths.synth import Synth, is_installed, open_synth
from presets.tones.making import ToneSpec, make_tone_set
from presets.tones.tone_set import ToneSet

app = console.app("Lists and measures synths, their presets, and the tones that datasets are made of.")


@app.command("list")
def list_(
    synth: Annotated[
        str | None, typer.Argument(help="list this synth's presets instead of the synths")
    ] = None,
    skip_bad: console.SkipBad = False,
) -> None:
    """Lists the synths, or the presets of one: address and name, tab-separated."""
    if synth is not None:
        opened = open_synth(synth)
        try:
            presets = usable_presets(opened, skip_bad, console.note)
        except MachineFailure as failure:
            console.note(f"{failure}; so it is not checked whether the presets are this plugin's")
            presets = opened.presets(skip_bad, console.note)
        for preset in presets:
            print(f"{preset.address}\t{preset.name}")
        return
    table = Table(box=None)
    for column in ("synth", "presets", "plugin"):
        table.add_column(column)
    for name in profile_names():
        if is_installed(name):
            opened = open_synth(name)
            table.add_row(name, _count(opened), str(opened.plugin_path))
        else:
            table.add_row(name, "-", f"not installed; {load_profile(name).install}")
    console.terminal().print(table)


def _count(synth: Synth) -> str:
    try:
        count = str(len(synth.presets()))
    except InputError as missing:
        # The plugin may be installed without its banks (two packages in Debian). The others are still listed.
        return f"none: {console.one_line(str(missing))[:160]}"
    return f"{count}{' and random ones' if synth.has_random_presets else ''}"


app.command()(scan_cli.scan)
app.command()(calibrate_cli.calibrate)
app.command()(match_cli.match)


@app.command()
def show(
    synth: Annotated[str | None, typer.Argument(help="synth, as `list` names it")] = None,
    address: Annotated[
        str | None, typer.Argument(help="preset address, e.g. named/glass-bell or BriansBank01/012")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="write a plot to this file (.png)")] = None,
    seconds: Annotated[float, typer.Option(min=0.5, max=30.0, help="length of a tone in seconds")] = 3.0,
    scan: Annotated[Path | None, typer.Option(help="show this scan (.parquet) instead of one preset")] = None,
) -> None:
    """Shows a preset's parameters, renders its tones, and prints their measurements.

    With --scan, lists a scan's results, one preset per line; --plot then plots the scan.
    """
    if plot is not None and plot.suffix != ".png":
        raise InputError(f"--plot {plot}: expected a file name that ends in .png")
    if scan is not None:
        _show_scan(scan, plot)
        return
    if synth is None or address is None:
        raise InputError("show: expected SYNTH and ADDRESS, or --scan TABLE")
    opened = open_synth(synth)
    preset = opened.preset(address)
    _print_parameters(opened, preset)
    # No limits on level variation and pitch: this command exists to show them.
    spec = ToneSpec(44100, seconds, 48, 79, max_level_variation_db=1e9, require_pitched=False)
    with tempfile.TemporaryDirectory() as scratch, SnapshotHost(opened, scratch=Path(scratch)) as host:
        tones = make_tone_set(host, opened, preset, spec)
    print(f"octave           {tones.octave:+d} relative to the note played")
    print(f"pitch confidence {tones.pitch_confidence:.0%} of the tones have this octave")
    print(f"level variation  {tones.level_variation_db:.3f} dB")
    pitches = f"MIDI {spec.lowest_pitch}..{spec.highest_pitch}"
    print(f"tones            {len(tones.samples)} of {seconds:g} s, {pitches}")
    print(f"sha256           {tones.sha256}")
    if plot is not None:
        _plot(tones, f"{synth} {preset.name}", plot)
        print(f"picture          {plot}")


def _show_scan(scan: Path, plot: Path | None) -> None:
    scan_cli.listing(scan)
    scan_cli.summary(scan)
    if plot is not None:
        try:
            from presets.scan.scan_picture import draw_scan
        except ImportError:
            raise InputError("--plot needs matplotlib; pip install matplotlib") from None
        draw_scan(scan, plot)
        print(f"picture    {plot}")


def _print_parameters(synth: Synth, preset: Preset) -> None:
    print(f"{synth.name} {preset.address}: {preset.name}")
    for name, value in preset.parameters.items():
        pin = synth.profile.pinned.get(name)
        print(f"  {name:20} {value:12.6g}{f'   pinned: {pin.why}' if pin else ''}")


def _plot(tones: ToneSet, title: str, path: Path) -> None:
    try:
        from presets.scan.tone_picture import draw_tones
    except ImportError:
        raise InputError("--plot needs matplotlib; pip install matplotlib") from None
    draw_tones(tones, title, path)


def main() -> None:
    """Runs the command. A failure of the preset or the machine prints one line and exits with status 1."""
    try:
        console.main(app)
    except (GroupFailure, MachineFailure) as error:
        console.fail(str(error))
