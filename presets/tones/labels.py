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
from presets.synths.synth import Preset, Synth
from presets.tones.heard_notes import SUSTAINED_MS, CheckNote, Heard, hear_notes

MEAN_DB = 0.2
"""Tolerance of the gain curves of a timbre: mean deviation of all notes in dB."""
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
    heard = hear_notes(host, synth, preset, notes, rate)
    wrong = [(one, one.faults()) for one in heard if one.faults()]
    if wrong:
        worst, faults = max(wrong, key=lambda pair: (len(pair[1]), pair[0].error_db))
        raise GroupFailure(
            "mislabelled",
            f"{len(wrong)} of {len(heard)} notes are off, e.g. at key {worst.note.pitch} and sustain"
            f" {worst.note.envelope.sustain:g}: {', '.join(faults)}",
        )
    mean = mean_error_db(heard)
    if mean > MEAN_DB:
        raise GroupFailure("mislabelled", f"gain curves are {mean:.2f} dB off in the mean")
    return heard


def mean_error_db(heard: Sequence[Heard]) -> float:
    """Returns the mean deviation from the rows' gain curves in dB."""
    return float(np.mean([one.error_db for one in heard]))
