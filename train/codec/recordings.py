"""Recordings as a codec takes them: files of any format and rate, or arrays, as mono audio at its rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from manifests.types import InputError
from train.audio.files import read_recording
from train.audio.reading import Reader
from train.audio.resampling import Audio, resample

SHORTEST_S = 0.2
"""Recordings shorter than this hold no note to speak of."""

LONGEST_PHRASE_S = 60.0
"""Recordings longer than this are no phrase: the studio and instruments refuse them."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Mono audio at a codec's sample rate.

    Attributes:
        audio: float32 [samples], full scale 1.
        name: What messages call it: the file's path, or the argument that it was passed as.
        changes: One line for each change that the file needed: channels mixed to mono, a rate converted.
    """

    audio: Audio
    name: str
    changes: tuple[str, ...] = ()


AudioSource: TypeAlias = "str | Path | Recording | npt.NDArray[np.floating[Any]]"
"""A recording: the path of an audio file, a `Recording`, or mono samples [samples] of full scale 1."""


def read_file(path: str | Path, rate: int) -> Recording:
    """Reads an audio file of any length as mono audio at `rate` Hz.

    Raises InputError if the file is missing, is not audio, is empty or damaged, or holds samples that are not
    finite.
    """
    path = Path(path)
    read = read_recording(path, rate)
    changes = [f"{path}: {change}" for change in read.changes]
    if read.rate != rate:
        changes.append(f"{path}: {read.rate} Hz, resampled to {rate} Hz")
    return Recording(read.audio, str(path), tuple(changes))


def read_phrase(path: str | Path, rate: int) -> Recording:
    """Reads a recording of at most `LONGEST_PHRASE_S`, as `read_file` does; a longer one is not read whole.

    Raises InputError as `read_file` does, and if the recording is longer.
    """
    with Reader.of(Path(path)) as reader:
        for _ in reader.blocks():
            if reader.frames > LONGEST_PHRASE_S * reader.rate:
                raise InputError(
                    f"{path}: longer than {LONGEST_PHRASE_S:g} s; cut out the phrase that is meant"
                )
    return read_file(path, rate)


def to_recording(source: AudioSource, argument: str, rate: int, source_rate: int | None = None) -> Recording:
    """Turns what a user passed as `argument` into a recording at `rate` Hz.

    Args:
        source: A path, a recording that was read, or mono samples.
        argument: The argument's name, for messages about samples.
        rate: The codec's sample rate in Hz.
        source_rate: The sample rate of samples in Hz; `rate` if None.

    Raises InputError if a file cannot be read, or if samples are not mono, floating-point, finite and at
    least `SHORTEST_S` long.
    """
    if isinstance(source, str | Path):
        recording = read_file(source, rate)
    elif isinstance(source, Recording):
        recording = source
    elif isinstance(source, np.ndarray):
        recording = Recording(_samples(source, argument), argument)
        if source_rate is not None and source_rate != rate:
            if source_rate <= 0:
                raise InputError(f"rate: expected a sample rate in Hz, got {source_rate!r}")
            check_audio(recording.audio, source_rate, argument)
            recording = Recording(resample(recording.audio, source_rate, rate), argument)
    else:
        raise InputError(
            f"{argument}: expected a path or a NumPy array of samples, got {type(source).__name__}"
        )
    check_audio(recording.audio, rate, recording.name)
    return recording


def _samples(samples: npt.NDArray[Any], argument: str) -> Audio:
    if samples.dtype.kind != "f":
        raise InputError(
            f"{argument}: expected floating-point samples of full scale 1, got {samples.dtype};"
            " divide int16 samples by 32768"
        )
    return np.asarray(samples, dtype=np.float32)


def check_audio(audio: Audio, rate: int, name: str) -> None:
    """Raises InputError unless `audio` is [samples] of finite values that last `SHORTEST_S` at `rate` Hz."""
    if audio.ndim != 1:
        raise InputError(f"{name}: expected mono audio [samples], got shape {audio.shape}")
    if len(audio) < SHORTEST_S * rate:
        raise InputError(f"{name}: {len(audio) / rate:.3f} s long; expected at least {SHORTEST_S} s")
    if not np.isfinite(audio).all():
        raise InputError(f"{name}: holds samples that are not finite")


@contextmanager
def named_errors(names: Mapping[str, str]) -> Iterator[None]:
    """Names files in an InputError of the block: see `named`."""
    try:
        yield
    except InputError as error:
        raise InputError(named(str(error), names)) from None


def named(line: str, names: Mapping[str, str]) -> str:
    """Returns a message about an argument ("source: ...") as one about the recording that was passed."""
    argument, separator, rest = line.partition(": ")
    return f"{names[argument]}: {rest}" if separator and argument in names else line
