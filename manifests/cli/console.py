"""How every command of the project talks: figures to stdout, progress and errors to stderr, one line each."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from manifests.types import InputError
from manifests.version import DISTRIBUTION, package_version

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130


def app(help_text: str) -> typer.Typer:
    """Makes a command with subcommands and `--version`; plain help, no shell-completion options."""
    command = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

    @command.callback(help=help_text)
    def options(
        version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_print_version, is_eager=True, help="print the package's version"
            ),
        ] = False,
    ) -> None:
        pass

    return command


def _print_version(asked: bool) -> None:
    """Prints the version and ends the program, if `asked`."""
    if asked:
        print(f"{DISTRIBUTION} {package_version()}")
        raise typer.Exit


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Prints one line to stderr and ends the program."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(code)


def told(error: OSError) -> str:
    """What the system says of a file, in a line that begins with its name."""
    file = error.filename2 or error.filename
    said = str(error) if file is None else f"{file}: {error.strerror}"
    return " ".join(said.split())


def progress(console: Console) -> Progress:
    """A bar with counts, rate and time left; tasks are added with `rate=""`, and moved by `advance`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
    )


def advance(bar: Progress, task: TaskID, amount: int, unit: str) -> None:
    """Moves a task of `progress` on and says how fast it goes, in `unit` a second."""
    bar.advance(task, amount)
    speed = bar.tasks[task].finished_speed or bar.tasks[task].speed
    bar.update(task, rate=f"{speed:.3g} {unit}/s" if speed else "")


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM (pre-emption). Not a KeyboardInterrupt: that one typer would swallow."""


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise Interrupted


def main(command: Callable[[], None]) -> None:
    """Runs a command; bad input ends it with one line and exit code 2, an interrupt with 130, a file
    that cannot be read or written with 1."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        command()
    except InputError as error:
        fail(" ".join(str(error).split()), BAD_INPUT)
    except Interrupted:
        fail("interrupted; what was finished is kept, run the command again to go on", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(FAILED) from None
    except OSError as error:
        fail(told(error))
