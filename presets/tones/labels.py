"""Checks that a synth plays the envelopes that its clips' rows will state (`shaping: plugin`).

The notes that are played and measured (`presets.tones.heard_notes`) have the longest and shortest times and
the highest and lowest sustain of the dataset, and keys from the lowest to the highest. Some end before their
decay does. So a time that depends on sustain, key or the level reached is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from manifests.splits.seeds import permutation
from manifests.synthesis.envelope import settle_ms
from manifests.types import Envelope
from presets.host.client import GroupFailure, SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.heard_notes import AFTER_MS, SUSTAINED_MS, CheckNote, Heard, fit_notes, hear_notes

MEAN_DB = 0.2
"""Tolerance of the gain curves of a timbre: mean deviation of all notes in dB."""
LONGER = 3.0
"""Envelopes are measured on notes this many times as long as what is asked for takes."""
AT_ONCE, KEY_STEP = 16, 7
"""Notes that are measured in one group, and the step of their keys in semitones."""
FIRST_NOTES = 4
"""Notes that are played first, before the others."""
RANDOM_NOTES = 4
"""Notes of random envelopes, besides those with the extreme values."""


def check_notes(
    envelopes: Sequence[Envelope], lowest_pitch: int, highest_pitch: int, seed: int
) -> list[CheckNote]:
    """Chooses the notes that check a timbre's labels: extreme envelopes and random ones, on many keys.

    `seed` draws the random ones. Every third note ends half way through its attack and decay.

    Example: `check_notes(envelopes, 48, 79, seed=1)[0].pitch` is 48.
    """
    values = {
        "attack_ms": [e.attack_ms for e in envelopes],
        "decay_ms": [e.decay_ms for e in envelopes],
        "sustain": [e.sustain for e in envelopes],
        "release_ms": [e.release_ms for e in envelopes],
    }
    extremes = [int(place) for column in values.values() for place in (np.argmin(column), np.argmax(column))]
    drawn = permutation(seed, len(envelopes), "labels")[:RANDOM_NOTES]
    chosen = list(dict.fromkeys([*extremes, *(int(place) for place in drawn)]))
    held = [
        CheckNote(envelopes[place], 0, settle_ms(envelopes[place]) + SUSTAINED_MS, place) for place in chosen
    ]
    short = [
        replace(note, gate_ms=note.envelope.attack_ms + note.envelope.hold_ms + note.envelope.decay_ms / 2)
        for note in held[::3]
    ]
    # One envelope on low, middle and high keys tells a dependence on the key from one on the envelope.
    notes = [held[0], *held, *short, held[0]]
    # Each note has a key of its own, if there are enough: some synths have one voice for each key, whose
    # phase depends on how long earlier notes of that key lasted.
    keys = np.rint(np.linspace(lowest_pitch, highest_pitch, len(notes))).astype(int)
    return [replace(note, pitch=int(key)) for note, key in zip(notes, keys, strict=True)]


def check_labels(
    host: SnapshotHost, synth: Synth, preset: Preset, notes: Sequence[CheckNote], rate: int
) -> list[Heard]:
    """Plays check notes; raises GroupFailure "mislabelled" if their rows would be wrong.

    Example: `check_labels(host, synth, preset, notes, 44_100)`.
    """
    # A timbre that is wrong mostly shows it in a few notes.
    heard = hear_notes(host, synth, preset, notes[:FIRST_NOTES], rate)
    _refuse_wrong(heard)
    heard += hear_notes(host, synth, preset, notes[FIRST_NOTES:], rate)
    _refuse_wrong(heard)
    return heard


def _refuse_wrong(heard: Sequence[Heard]) -> None:
    """Raises GroupFailure "mislabelled" if a note or the mean of all is off by more than the tolerance."""
    wrong = [(one, one.faults()) for one in heard if one.faults()]
    if wrong:
        worst, faults = max(wrong, key=lambda pair: (len(pair[1]), pair[0].error_db))
        raise GroupFailure(
            "mislabelled",
            f"{len(wrong)} of {len(heard)} notes are off, e.g. at key {worst.note.pitch} and sustain"
            f" {worst.note.row.sustain:g}: {', '.join(faults)}",
        )
    mean = mean_error_db(heard)
    if mean > MEAN_DB:
        raise GroupFailure("mislabelled", f"gain curves are {mean:.2f} dB off in the mean")


def measure_labels(
    host: SnapshotHost,
    synth: Synth,
    preset: Preset,
    envelopes: Sequence[Envelope],
    pitches: tuple[int, int],
    seed: int,
    rate: int,
) -> list[Heard]:
    """Measures what a timbre plays for each envelope that is asked for: one note each, in order, fitted.

    The notes' keys run from the lowest to the highest of `pitches`. Then `check_notes` play again, and are
    compared with what was fitted. Raises GroupFailure "mislabelled" if one row cannot be true: a note does
    not settle or end in time, has another shape than rows can state, or depends on the key or on how long it
    is held.

    Example: `measure_labels(host, synth, preset, envelopes, (48, 79), 1, 44_100)[3].note.row.decay_ms`.
    """
    low, high = pitches
    notes = [
        CheckNote(
            envelope,
            low + place * KEY_STEP % (high - low + 1),
            LONGER * settle_ms(envelope) + SUSTAINED_MS,
            place,
            after_ms=LONGER * envelope.release_ms + AFTER_MS,
        )
        for place, envelope in enumerate(envelopes)
    ]
    stated = []
    for first in range(0, len(notes), AT_ONCE):
        some = notes[first : first + AT_ONCE]
        for note, fit in zip(some, fit_notes(host, synth, preset, some, rate), strict=True):
            if fit is None:
                raise GroupFailure(
                    "mislabelled",
                    f"key {note.pitch}, {_words(note.envelope)} asked: within {note.gate_ms:.0f} ms, and"
                    f" {note.after_ms:.0f} ms after, it does not rise, settle and end",
                )
            stated.append(replace(note, stated=fit.envelope, after_ms=AFTER_MS))
    held = [replace(n, gate_ms=settle_ms(n.row) + SUSTAINED_MS) for n in stated]
    heard = [
        one
        for first in range(0, len(held), AT_ONCE)
        for one in hear_notes(host, synth, preset, held[first : first + AT_ONCE], rate)
    ]
    checks = []
    for note in check_notes(envelopes, low, high, seed):
        row = stated[note.place].row
        short = row.attack_ms + row.hold_ms + row.decay_ms / 2
        is_short = note.gate_ms < settle_ms(note.envelope)
        gate_ms = short if is_short else settle_ms(row) + SUSTAINED_MS
        checks.append(replace(note, stated=row, gate_ms=gate_ms))
    _refuse_wrong([*heard, *hear_notes(host, synth, preset, checks, rate)])
    return heard


def _words(envelope: Envelope) -> str:
    values = envelope.values()
    return ", ".join(
        f"{name} {values[name]:g}" for name in ("attack_ms", "decay_ms", "sustain", "release_ms")
    )


def mean_error_db(heard: Sequence[Heard]) -> float:
    """Returns the mean deviation from the rows' gain curves in dB."""
    return float(np.mean([one.error_db for one in heard]))
