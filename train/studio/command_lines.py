"""Writes the command lines that make the studio's result again."""

from __future__ import annotations

import shlex

from manifests.types import Envelope
from train.studio.session import Session, Settings


def command_lines(session: Session, settings: Settings, checkpoint: str | None) -> str:
    """Returns the commands that make the result of these settings, one a line.

    Recordings are named as they were dropped in. `checkpoint` is the path of the weights; None are the
    released ones.

    Raises InputError if there is no source yet.
    """
    source, giver = session.giver("notes", frozenset()), session.giver("timbre", settings.take)
    weights = ["--checkpoint", checkpoint] if checkpoint else []
    numbers = [*envelope_options(settings.envelope), "--octave", str(settings.octave), "--out", "result.wav"]
    if giver is source or settings.share in (0.0, 1.0):
        taken = (
            ["--reference", giver.name, "--take", "timbre"] if giver is not source and settings.share else []
        )
        return _line("convert", *weights, "--source", source.name, *taken, *numbers)
    blend = ["--towards", "reference", "--share", f"{settings.share:g}"]
    return "\n".join(
        [
            _line("encode", *weights, source.name, "--out", "source"),
            _line("encode", *weights, giver.name, "--out", "reference"),
            _line("decode", *weights, "source", *blend, *numbers),
        ]
    )


def envelope_options(envelope: Envelope) -> list[str]:
    """Returns the options that state an envelope.

    >>> " ".join(envelope_options(Envelope(5.0, 200.0, 0.3, 120.0)))
    '--attack-ms 5 --hold-ms 0 --decay-ms 200 --sustain 0.3 --release-ms 120 --curve linear'
    """
    options = []
    for name in ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms"):
        options += [f"--{name.replace('_', '-')}", f"{getattr(envelope, name):.10g}"]
    return [*options, "--curve", envelope.curve]


def _line(command: str, *arguments: str) -> str:
    return shlex.join(["triptych-train", command, *arguments])
