"""Defines `python -m render`: plan, run, make, extend, retry, status, remake, tones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import console
from manifests.dataset.bank import FOLDER, Bank
from manifests.dataset.layout import Layout
from manifests.dataset.storage import UploadRefused, location
from manifests.types import InputError
from presets.host.client import MachineFailure
from render import config as configs
from render.bank import make_bank
from render.clips.dataset import MachineFault, PlannedDataset
from render.clips.player import forget_failures
from render.execution.executors import Backend, Local, open_executor
from render.execution.run import Share
from render.execution.run import run as run_plan
from render.inspect import status_view as view
from render.inspect.estimate import estimate
from render.inspect.remake import remake as remake_clips
from render.inspect.status import state
from render.planning.extend import extend as extend_plan
from render.planning.extend import plan_of
from render.planning.fingerprint import AUDIO_VERSION
from render.planning.plan import Plan, write_plan

app = console.app("Renders triplet datasets: synth presets x envelopes x phrases, as WebDataset shards.")

ConfigFile = Annotated[Path, typer.Argument(help="YAML config of the dataset", show_default=False)]
Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="dataset folder, or its URL", show_default=False, parser=location),
]
Out = Annotated[
    Path, typer.Option("--out", help="dataset folder to write, or its URL", metavar="DIR", parser=location)
]
Workers = Annotated[int, typer.Option("--workers", min=1, help="local worker processes")]
OnBackend = Annotated[Backend, typer.Option("--backend", help="where tasks run")]
Address = Annotated[str | None, typer.Option("--address", help="scheduler of the Dask or Ray cluster")]
TaskIndex = Annotated[int, typer.Option("--task-index", help="this task's index in a job array")]
TaskCount = Annotated[
    int, typer.Option("--task-count", help="tasks in the job array; each renders every COUNT-th shard")
]

NOT_COMPARABLE = "made again; cannot be compared bit for bit: its synth is not deterministic"

out, err = console.terminal(), console.terminal(stderr=True)


@app.command()
def plan(
    config: ConfigFile,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="folder to write the plan to", metavar="DIR", parser=location)
    ] = None,
    estimated: Annotated[
        bool, typer.Option("--estimate", help="estimate the cost by a short measurement on this machine")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the estimate as JSON")] = False,
    skip_bad: console.SkipBad = False,
) -> None:
    """Check a config and write its plan: envelopes, phrases and dataset.json. Renders nothing.

    CONFIG may be a dataset's dataset.json: that dataset is planned again, with all its generations.
    --estimate prints core-hours, bytes, shards and time, from some seconds of rendering on this machine.
    """
    if out_dir is None and not estimated:
        raise InputError("--out: expected a folder for the plan, or --estimate")
    if estimated:
        _estimate(config, as_json, skip_bad)
    if out_dir is None:
        return
    planned = plan_of(config, skip_bad)
    fresh = write_plan(planned, out_dir)
    _planned(planned, f"{'planned' if fresh else 'already planned'} {out_dir}")


def _estimate(config: Path, as_json: bool, skip_bad: bool) -> None:
    loaded = configs.load(config)
    with err.status("measuring"):
        cost = estimate(configs.skipping_bad(loaded) if skip_bad else loaded)
    cores = sorted({1, os.cpu_count() or 1, 16, 64, 256, 1024})
    if as_json:
        print(json.dumps(cost.as_json(cores), indent=2))
        return
    for line in view.cost_lines(cost, cores):
        out.print(line)


def _planned(planned: Plan, what: str) -> None:
    for remark in planned.remarks:
        console.note(remark)
    now = planned.metadata["generations"][-1]
    counts = f"{now['timbres']} timbres x {now['envelopes']} envelopes x {now['phrases']} phrases"
    err.print(f"{what}: {counts}")


@app.command()
def extend(folder: Folder, config: ConfigFile, skip_bad: console.SkipBad = False) -> None:
    """Extend a finished dataset's plan: CONFIG asks for more timbres, envelopes or phrases.

    Renders nothing: `run` renders what the new generation adds. Finished shards stay.
    """
    PlannedDataset(folder).check_machine()
    loaded = configs.load(config)
    grown = extend_plan(folder, configs.skipping_bad(loaded) if skip_bad else loaded)
    if grown is None:
        err.print(f"{folder}: already holds all that the config asks for")
        return
    _planned(grown, f"planned on {folder}, generation {grown.metadata['generations'][-1]['generation']}")


@app.command()
def run(
    folder: Folder,
    workers: Workers = 1,
    backend: OnBackend = "loky",
    address: Address = None,
    task_index: TaskIndex = 0,
    task_count: TaskCount = 1,
) -> None:
    """Render the missing shards of a planned folder. Can be killed and run again."""
    share = Share(task_index, task_count)
    with open_executor(backend, workers, address) as executor:
        made = run_plan(folder, err, executor, share)
    _summary(folder, f"{made} shard(s) rendered now" if made else "nothing left to render")


@app.command()
def retry(folder: Folder, workers: Workers = 1) -> None:
    """Retry failed presets, then render the missing shards.

    A failed preset is noted in .work, and `run` does not try it again. This command deletes these notes
    and then does what `run` does. It affects only what is unfinished: timbres still to be cast, and missing
    shards. Finished shards stay, with the replacements in them.
    """
    layout = Layout(folder)
    layout.metadata()
    forgotten = forget_failures(layout.work)
    made = run_plan(folder, err, Local(workers))
    _summary(folder, f"{forgotten} failure(s) forgotten, {made} shard(s) rendered now")


@app.command()
def make(config: ConfigFile, out_dir: Out, workers: Workers = 1, skip_bad: console.SkipBad = False) -> None:
    """Plan a dataset and render it (plan + run)."""
    plan(config, out_dir, skip_bad=skip_bad)
    run(out_dir, workers)


@app.command()
def status(
    folder: Folder, as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False
) -> None:
    """Print a dataset's progress, read from the folder alone."""
    now = state(PlannedDataset(folder))
    if as_json:
        print(json.dumps(now.as_json(), indent=2))
        return
    if now.splits:
        out.print(view.table(now), soft_wrap=False)
    else:
        out.print(f"{now.name}: {now.stage}")
    for line in view.lines(now):
        out.print(line)


@app.command()
def remake(
    folder: Folder,
    keys: Annotated[
        list[str], typer.Argument(help="clip keys, or @FILE with one a line", show_default=False)
    ],
    out_dir: Annotated[Path | None, typer.Option("--out", help="folder for the FLAC files")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON lines")] = False,
) -> None:
    """Render clips again from their manifest rows and compare them bit for bit."""
    wanted = [key for arg in keys for key in _keys(arg)]
    different = 0
    for clip in remake_clips(folder, wanted):
        different += clip.comparable and not clip.same
        if out_dir is not None:
            out_dir.mkdir(parents=True, exist_ok=True)
            (out_dir / f"{clip.key}.flac").write_bytes(clip.flac)
        if as_json:
            same = clip.same if clip.comparable else None
            line = {"key": clip.key, "same": same, "pcm_sha256": clip.pcm_sha256, "audio": AUDIO_VERSION}
            print(json.dumps(line))
        else:
            verdict = "same, bit for bit" if clip.same else "DIFFERENT"
            print(f"{clip.key}  {verdict if clip.comparable else NOT_COMPARABLE}")
    if different:
        console.fail(f"{different} of {len(wanted)} clips came out differently")


@app.command()
def tones(
    folder: Folder,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="folder of the bank, or its URL; by default DIR/tones",
            metavar="BANK",
            parser=location,
        ),
    ] = None,
    every: Annotated[
        int, typer.Option("--every", min=1, max=4, help="keep every N-th semitone; the others are resampled")
    ] = 1,
    workers: Workers = 1,
) -> None:
    """Write a dataset's tone sets as a tone bank, from which `train fit` composes new clips.

    Needs a planned folder; clips need not be rendered. Can be killed and run again.
    """
    bank = out_dir or folder / FOLDER
    made = make_bank(folder, bank, every, err, Local(workers))
    rows = Bank(bank).shards()
    count, size = sum(row["tones"] for row in rows), sum(row["bytes"] for row in rows)
    err.print(
        f"{bank}: {sum(len(row['timbres']) for row in rows)} timbres, {count} tones, {size / 1e9:.2f} GB;"
        f" {made} shard(s) made now",
    )


def _keys(argument: str) -> list[str]:
    if not argument.startswith("@"):
        return [argument]
    try:
        return Path(argument[1:]).read_text(encoding="utf-8", errors="surrogateescape").split()
    except OSError as error:
        raise InputError(
            f"{argument[1:]}: cannot be read ({error.strerror}); expected one key a line"
        ) from None


def _summary(folder: Path, what: str) -> None:
    now = state(PlannedDataset(folder))
    err.print(f"{folder}: {now.stage}, {now.total.clips_done} clips; {what}")


def _command() -> None:
    """Runs the command line; a fault of this machine ends it with one line and exit code 1."""
    try:
        app()
    except (MachineFault, MachineFailure, UploadRefused) as fault:
        console.fail(" ".join(str(fault).split()))


def main() -> None:
    """Runs the command line; see `console.main` for exit codes."""
    console.main(_command)
