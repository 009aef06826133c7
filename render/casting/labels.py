"""Checks the labels of a candidate with `shaping: plugin`, and makes its rows of labels.parquet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from manifests.types import Envelope
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.heard_notes import Heard
from presets.tones.labels import check_labels, check_notes, measure_labels
from render.tones import ToneSetCache


def label_rows(
    tone_sets: ToneSetCache,
    synth: Synth,
    preset: Preset,
    envelopes: Sequence[Envelope],
    labels: str,
    seed: int,
) -> tuple[dict[str, Any], ...]:
    """Plays notes with some of a dataset's envelopes; returns rows of labels.parquet without the timbre's id.

    With `labels` "measured" there is one for each envelope, which states what was heard. Raises GroupFailure
    "mislabelled" if the preset does not play the envelopes that its rows would state.

    Example: `label_rows(tone_sets, synth, preset, envelopes, "asked", seed=1)[0]["error_db"]`.
    """
    spec, host = tone_sets.spec, tone_sets.host(synth)
    if labels == "measured":
        pitches = (spec.lowest_pitch, spec.highest_pitch)
        heard = measure_labels(host, synth, preset, envelopes, pitches, seed, spec.rate)
        return tuple(_row(one, labels) for one in heard)
    notes = check_notes(envelopes, spec.lowest_pitch, spec.highest_pitch, seed)
    heard = check_labels(host, synth, preset, notes, spec.rate)
    return tuple(_row(one, labels) for one in heard)


def _row(heard: Heard, labels: str) -> dict[str, Any]:
    note = heard.note
    return {
        "envelope": note.place,
        "labels": labels,
        **note.row.values(),
        "pitch": note.pitch,
        "gate_ms": note.gate_ms,
        "heard_attack_ms": heard.attack_ms,
        "heard_decay_ms": heard.decay_ms,
        "heard_sustain": heard.sustain,
        "heard_release_ms": heard.release_ms,
        "error_db": heard.error_db,
        "resolution_ms": heard.window_ms,
    }
