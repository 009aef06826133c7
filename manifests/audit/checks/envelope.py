"""Envelope check: the envelope estimated from the audio of clips agrees with the one in their rows.

The estimator gets the audio and the note times only. Tolerances are wider than its errors on steady
timbres, since a timbre may beat: the check is to find a wrong envelope, not a small error.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import pandas as pd

from manifests.audit.findings import Finding
from manifests.audit.tables import Tables
from manifests.dataset.clip_audio import clip_sound
from manifests.dataset.layout import Layout
from manifests.dataset.rows import envelope_of, notes_of
from manifests.splits.seeds import permutation
from manifests.types import Notes

STEADY_DB, UNSTEADY_DB = 0.15, 1.0
"""Timbres whose level varies more are left out: beating looks like an envelope. If all do, this much."""
TIME_TOLERANCE_MS, TIME_TOLERANCE = 10.0, 0.15
"""Allowed error of a time: this many ms or this share of it, whichever is more."""
DECAY_TOLERANCE_MS, DECAY_TOLERANCE, DEPTH = 20.0, 0.2, 0.3
"""The same of the decay, together with the hold, if it falls by this share of the level at least."""
CURVE_DB = 0.6
"""How much worse a row's gain curve may fit than the best of its shape: mean deviation of the level in dB."""
SUSTAIN_TOLERANCE_DB, LOWEST_SUSTAIN = 1.5, 0.05
"""Allowed error of the sustain level; levels up to `LOWEST_SUSTAIN` are not compared."""


def measurable_clips(tables: Tables) -> pd.DataFrame:
    """Returns the rows of clips whose whole envelope can be heard, on steady timbres if there are any."""
    clips, variation = tables.clips, tables.timbres["level_variation_db"]
    shown = clips[clips["sustain_reached"] & clips["release_heard"]]
    for most in (STEADY_DB, UNSTEADY_DB):
        chosen = shown[shown["timbre"].isin(tables.timbres["timbre"][variation <= most])]
        if len(chosen):
            break
    return chosen


def envelope_findings(
    layout: Layout, tables: Tables, count: int, seed: int, looked_at: list[str]
) -> Iterator[Finding]:
    """Estimates the envelopes of `count` clips, chosen by `seed`, and compares them with the rows.

    A synth that plays by itself (`shaping: plugin`) adds what its timbres do at every onset, which looks
    like an envelope; so do timbres that are not steady. There a finding needs a third of the clips to
    disagree, as a wrong mapping makes them. If no clip can be measured, that is a finding, unless the notes
    of labels.parquet were.

    Args:
        layout: The dataset's folder.
        tables: Its tables; `clips` are the rows to choose from.
        count: Number of clips.
        seed: Seed of the choice.
        looked_at: Receives a line with how many clips agree and how well the estimates fit the audio.
    """
    clips = measurable_clips(tables)
    # The label seeds the choice: another one would audit other clips than before.
    chosen = permutation(seed, len(clips), "heard")[:count]
    notes = [notes_of(row) for row in tables.phrases.to_dict("records")]
    residuals: list[float] = []
    errors = [list(_envelope_errors(layout, clips.iloc[int(place)], notes, residuals)) for place in chosen]
    agreeing = sum(not wrong for wrong in errors)
    fit = f", median residual {np.median(residuals):.2%}" if residuals else ""
    looked_at.append(f"{agreeing} of {len(errors)} clips agree{fit}")
    if not errors and not layout.table("labels").exists():
        yield Finding(
            "envelope", "clips", "no clip shows a whole envelope on a steady timbre: no label can be checked"
        )
    is_steady = bool((tables.timbres["level_variation_db"] <= STEADY_DB).any())
    if (tables.config.get("shaping") == "plugin" or not is_steady) and 3 * sum(map(bool, errors)) <= len(
        errors
    ):
        return
    yield from chain.from_iterable(errors)


def _envelope_errors(
    layout: Layout, row: pd.Series, notes: list[Notes], residuals: list[float]
) -> Iterator[Finding]:
    """Compares the envelope of one clip with its row; appends the residual of the fit to `residuals`."""
    # The estimator needs scipy (the audit extra); the other checks do not.
    from manifests.estimation.estimate import estimate_envelope
    from manifests.estimation.model import deviation_db

    sound, rate = clip_sound(layout, row)
    given = envelope_of(row)
    phrase, cut_fade_ms = notes[row["phrase"]], float(row["cut_fade_ms"])
    estimate = estimate_envelope(sound, phrase, rate, cut_fade_ms, given.curve)
    residuals.append(estimate.residual)
    measured = estimate.envelope
    for name in ("attack_ms", "release_ms"):
        wanted, got = getattr(given, name), getattr(measured, name)
        if abs(got - wanted) > max(TIME_TOLERANCE_MS, TIME_TOLERANCE * wanted):
            yield Finding("envelope", row["key"], f"{name} {wanted:g} in its row, {got:.1f} measured")
    wanted, got = given.hold_ms + given.decay_ms, measured.hold_ms + measured.decay_ms
    if (
        estimate.decay_seen
        and given.sustain < 1.0 - DEPTH
        and abs(got - wanted) > max(DECAY_TOLERANCE_MS, DECAY_TOLERANCE * wanted)
    ):
        yield Finding("envelope", row["key"], f"hold and decay {wanted:g} ms in its row, {got:.1f} measured")
    own, best = (deviation_db(sound, phrase, rate, cut_fade_ms, e) for e in (given, measured))
    if own - best > CURVE_DB:
        what = f"its row's gain curve is {own - best:.2f} dB further off than the best of its shape"
        yield Finding("envelope", row["key"], what)
    if given.sustain > LOWEST_SUSTAIN:
        error_db = 20 * np.log10(max(measured.sustain, 1e-4) / given.sustain)
        if abs(error_db) > SUSTAIN_TOLERANCE_DB:
            what = f"sustain measured {error_db:+.1f} dB off the {given.sustain:g} in its row"
            yield Finding("envelope", row["key"], what)
