"""Gives all commands the same output: results to stdout, progress and one-line errors to stderr."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
PACKAGES = ("manifests", "midi", "presets", "render", "train")


def app(help_text: str) -> typer.Typer:
    """Makes a command with subcommands and `--version`; plain help, no shell-completion options.

    >>> app("Reads a dataset.").info.no_args_is_help
    True
    """
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


@contextmanager
def requires(extra: str) -> Iterator[None]:
    """Ends the program with one line if an import in the block needs a package of an extra.

    Example::

        with console.requires("render"):
            from render.cli import main
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in PACKAGES:
            raise
        fail(f"{error.name} is not installed; pip install '{DISTRIBUTION}[{extra}]'")


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Prints one line to stderr and ends the program.

    >>> fail("DIR: holds no dataset", 2)
    Traceback (most recent call last):
    SystemExit: 2
    """
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(code)


def describe_os_error(error: OSError) -> str:
    """Formats a system error as one line that begins with the file's name.

    >>> describe_os_error(FileNotFoundError(2, "No such file or directory", "a.wav"))
    'a.wav: No such file or directory'
    """
    file = error.filename2 or error.filename
    message = str(error) if file is None else f"{file}: {error.strerror}"
    return " ".join(message.split())


def progress(console: Console) -> Progress:
    """Makes a bar with counts, rate and time left. Add tasks with `rate=""` and move them by `advance`.

    >>> with progress(Console(quiet=True)) as bar:
    ...     bar.add_task("clips", total=2, rate="")
    0
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
    )


def advance(bar: Progress, task: TaskID, amount: int, unit: str) -> None:
    """Advances a task of `progress` and shows its rate in `unit` per second.

    >>> with progress(Console(quiet=True)) as bar:
    ...     task = bar.add_task("clips", total=2, rate="")
    ...     advance(bar, task, 1, "clips")
    """
    bar.advance(task, amount)
    speed = bar.tasks[task].finished_speed or bar.tasks[task].speed
    bar.update(task, rate=f"{speed:.3g} {unit}/s" if speed else "")


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM (pre-emption). It is no KeyboardInterrupt, which typer would swallow."""


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise Interrupted


def main(command: Callable[[], None]) -> None:
    """Runs a command and maps errors to exit codes, each with one line on stderr.

    InputError exits with 2, an interrupt (Ctrl-C, SIGTERM) with 130, a file error with 1.

    Example: `main(app)` runs a Typer app as a program.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        command()
    except InputError as error:
        fail(" ".join(str(error).split()), BAD_INPUT)
    except Interrupted:
        fail("interrupted; finished work is kept, run the command again to go on", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(FAILED) from None
    except OSError as error:
        fail(describe_os_error(error))
