"""Gives all commands the same output: results to stdout, progress and one-line errors to stderr.

File names may hold any bytes. They are shown escaped (`caf\\xe9.wav`), and never read as markup.
"""

from __future__ import annotations

import codecs
import importlib.util
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from manifests.child_process import ROOT
from manifests.limits import blamed, describe_os_error, described, limited_in, warn_before_the_end
from manifests.types import InputError, InputErrors, shown
from manifests.version import DISTRIBUTION, package_version

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130
_ESCAPED = "triptych-escaped"
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="leave out input files that cannot be read, and name them")
]
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
    check_packages()
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in PACKAGES:
            raise
        fail(f"{error.name} is not installed; pip install '{DISTRIBUTION}[{extra}]'")
    except (ImportError, MemoryError, OSError) as error:
        if not (limits := blamed(error)):
            raise
        fail(f"cannot load the package: {error}{limits}")


def check_packages() -> None:
    """Ends the program with one line if a user's file hides one of our packages.

    `python -m` looks into the current folder first. The scripts (`triptych-render` and so on) do not.
    """
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(str(spec.origin if spec is not None else "")).resolve()
        if spec is not None and origin.parent != ROOT / name:
            fail(
                f"{origin}: hides the package {name!r} of {DISTRIBUTION}; run the scripts, such as"
                f" triptych-{name}, or work in another folder"
            )


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Escapes what a stream's encoding lacks, among it bytes of file names that are no UTF-8."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return shown(error.object[error.start : error.end], ascii_only=True), error.end


def open_streams() -> None:
    """Lets stdout and stderr take any text: what their encoding lacks is escaped."""
    codecs.register_error(_ESCAPED, _escaped)
    for stream in (sys.stdout, sys.stderr):
        # Where tests or notebooks put another object, it decides itself.
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors=_ESCAPED)


def terminal(stderr: bool = False) -> Console:
    """Makes a console that prints text as it is: without markup, emoji codes, highlighting or line breaks.

    >>> terminal().print("takes[v2]/:bug:[/b].wav")
    takes[v2]/:bug:[/b].wav
    """
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


def one_line(text: str) -> str:
    """Returns a message as one line, with control characters and bytes that are no UTF-8 escaped.

    >>> one_line("a\\n b\\x1b[2J")
    'a b\\\\x1b[2J'
    """
    return shown(" ".join(text.split()))


def note(line: str) -> None:
    """Prints a remark to stderr as one line.

    Example: `note("a.mid: 3 tempo changes were left out")`.
    """
    print(f"note: {one_line(line)}", file=sys.stderr)


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Prints one line to stderr and ends the program.

    >>> fail("DIR: holds no dataset", 2)
    Traceback (most recent call last):
    SystemExit: 2
    """
    print(f"error: {one_line(message)}", file=sys.stderr)
    raise SystemExit(code)


def _fail_for_all(errors: InputErrors) -> NoReturn:
    """Prints a line for each error, then their count, and ends the program."""
    for line in errors.lines:
        print(f"error: {one_line(line)}", file=sys.stderr)
    if len(errors.lines) > 1 or errors.advice:
        counted = f"{len(errors.lines)} files cannot be read"
        print(f"error: {one_line('; '.join(filter(None, [counted, errors.advice])))}", file=sys.stderr)
    raise SystemExit(BAD_INPUT)


def progress(console: Console) -> Progress:
    """Makes a bar with counts, rate and time left. Add tasks with `rate=""` and move them by `advance`.

    >>> with progress(Console(quiet=True)) as bar:
    ...     bar.add_task("clips", total=2, rate="")
    0
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
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


def _out_of_time(signum: int, frame: FrameType | None) -> None:
    # A callback of soundfile (`vio_write` and others) would print an exception and go on. So it comes later.
    in_callback = frame is not None and frame.f_code.co_name.startswith("vio_")
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.01 if in_callback else 0.3)
    if not in_callback:
        raise OutOfTime


class OutOfTime(BaseException):
    """The limit of CPU time (`ulimit -t`) is used up."""


def main(command: Callable[[], None]) -> None:
    """Runs a command and maps errors to exit codes, each with one line on stderr.

    InputError exits with 2, an interrupt (Ctrl-C, SIGTERM) with 130, a file error with 1, as does a lack of
    memory, threads or CPU time, whose message names the limit of this process that it comes from.

    Example: `main(app)` runs a Typer app as a program.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    for number in (signal.SIGXCPU, signal.SIGVTALRM):
        signal.signal(number, _out_of_time)
    warn_before_the_end()
    open_streams()
    try:
        command()
    except InputErrors as errors:
        _fail_for_all(errors)
    except InputError as error:
        fail(str(error), BAD_INPUT)
    except Interrupted:
        fail("interrupted; finished work is kept, run the command again to go on", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(FAILED) from None
    except OutOfTime:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        limits = limited_in(described(resource.RLIMIT_CPU))
        fail(f"out of CPU time{limits}; finished work is kept, run the command again to go on")
    except OSError as error:
        program = Path(sys.argv[0])
        name = program.parent.name if program.name == "__main__.py" else program.name
        fail(describe_os_error(error, f"{name} {' '.join(sys.argv[1:2])}"))
    except MemoryError as error:
        fail(f"out of memory{blamed(error)}")
    except (RuntimeError, ImportError) as error:
        # torch and the threading module have no class of their own for it.
        if not (limits := blamed(error)):
            raise
        fail(f"{error}{limits}")
