"""What is heard: the envelope measured on the audio agrees with the one in the row.

The estimator sees the audio and the note times only. Its bounds here are wider than its accuracy on
steady timbres, since a timbre may beat: what is to be found is a wrong envelope, not a small error.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain

import numpy as np
import pandas as pd
import soundfile

from manifests.audit.findings import Finding
from manifests.audit.tables import Tables
from manifests.dataset.layout import Layout
from manifests.dataset.rows import envelope_of, notes_of
from manifests.splits.seeds import permutation
from manifests.types import Notes

STEADY_DB = 0.15
"""Only timbres whose level varies less are listened to: beating looks like an envelope."""
TIME_MS, TIME_SHARE, SUSTAIN_DB, LOWEST_SUSTAIN = 10.0, 0.15, 1.5, 0.05


def audible(tables: Tables) -> pd.DataFrame:
    """The clips in which the whole envelope can be heard on a steady timbre."""
    steady = tables.timbres["timbre"][tables.timbres["level_variation_db"] <= STEADY_DB]
    clips = tables.clips
    heard = clips["sustain_reached"] & clips["release_heard"] & clips["timbre"].isin(steady)
    return clips[heard]


def envelope_findings(
    layout: Layout, tables: Tables, count: int, seed: int, heard: list[str]
) -> Iterator[Finding]:
    """Measures the envelope of `count` clips drawn by `seed` among those where it can be heard.

    A synth that plays by itself (`shaping: plugin`) adds what its timbres do at every onset, which reads
    as envelope: there only a disagreement of most clips, a wrong mapping, is a finding. How many clips
    agree, and how well the envelopes found fit what is heard, is added to `heard`.
    """
    clips = audible(tables)
    chosen = permutation(seed, len(clips), "heard")[:count]
    notes = [notes_of(row) for row in tables.phrases.to_dict("records")]
    residuals: list[float] = []
    found = [list(_disagreements(layout, clips.iloc[int(place)], notes, residuals)) for place in chosen]
    agreed = sum(not wrong for wrong in found)
    fit = f", median residual {np.median(residuals):.2%}" if residuals else ""
    heard.append(f"{agreed} of {len(found)} clips agree{fit}")
    if tables.config.get("shaping") == "plugin" and 2 * sum(map(bool, found)) <= len(found):
        return
    yield from chain.from_iterable(found)


def _disagreements(
    layout: Layout, row: pd.Series, notes: list[Notes], residuals: list[float]
) -> Iterator[Finding]:
    """Where the envelope heard in one clip is not the one in its row; its residual is added to those."""
    # The estimator needs scipy (the audit extra); the other checks do not.
    from manifests.estimation.estimate import estimate_envelope

    with layout.inside(row["shard"]).open("rb") as file:
        file.seek(int(row["offset"]))
        sound, rate = soundfile.read(io.BytesIO(file.read(int(row["length"]))), dtype="float32")
    asked = envelope_of(row)
    estimate = estimate_envelope(sound, notes[row["phrase"]], rate, float(row["cut_fade_ms"]))
    residuals.append(estimate.residual)
    found = estimate.envelope
    for name in ("attack_ms", "release_ms"):
        want, got = getattr(asked, name), getattr(found, name)
        if abs(got - want) > max(TIME_MS, TIME_SHARE * want):
            yield Finding("envelope", row["key"], f"{name} {want:g} asked for, {got:.1f} heard")
    if asked.sustain > LOWEST_SUSTAIN:
        error = 20 * np.log10(max(found.sustain, 1e-4) / asked.sustain)
        if abs(error) > SUSTAIN_DB:
            yield Finding(
                "envelope", row["key"], f"sustain {error:+.1f} dB off the {asked.sustain:g} asked for"
            )
