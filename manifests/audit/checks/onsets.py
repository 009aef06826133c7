"""Onset check: the first note of a clip begins when its row says.

A plugin that is late by a latency which it does not state shifts all its notes. That is found per synth,
since a timbre may rise slowly by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from manifests.audit.findings import Finding
from manifests.audit.tables import Tables
from manifests.dataset.clip_audio import clip_sound
from manifests.dataset.layout import Layout
from manifests.dataset.rows import envelope_of, notes_of
from manifests.splits.seeds import permutation
from manifests.synthesis.compose import spans
from manifests.synthesis.envelope import gain_curve
from manifests.types import Envelope, Note

TOLERANCE_MS = 5.0
"""Allowed median error of a synth's onsets; those that are right are within 2 ms."""
FEWEST = 5
"""Clips of a synth that a finding needs."""
AUDIBLE = 0.1
"""A note has begun where its level reaches this share of its highest."""


def onset_error_ms(
    sound: npt.NDArray[np.float32], rate: int, notes: Sequence[Note], envelope: Envelope
) -> float | None:
    """Measures by how much the first note of a clip begins late, in ms.

    It begins where the level reaches a tenth of the note's highest. The same time in the stated envelope is
    taken off.

    Args:
        sound: The clip, float32 [samples].
        rate: Sample rate, Hz.
        notes: Its phrase.
        envelope: Its envelope.

    Returns:
        The error; None if the note is silent.
    """
    span = spans(notes, rate, len(sound))[0]
    heard = np.abs(sound[: span.end])
    time_ms = (np.arange(span.end) - span.onset) * 1000.0 / rate
    stated = gain_curve(envelope, (span.off - span.onset) * 1000.0 / rate, time_ms)
    if not heard.any() or not stated.any():
        return None
    begins = [int(np.argmax(level >= AUDIBLE * level.max())) for level in (heard, stated)]
    return (begins[0] - begins[1]) * 1000.0 / rate


def onset_findings(
    layout: Layout, tables: Tables, count: int, seed: int, looked_at: list[str]
) -> Iterator[Finding]:
    """Measures the first onsets of `count` clips, chosen by `seed`; finds synths that are late or early.

    Args:
        layout: The dataset's folder.
        tables: Its tables; `clips` are the rows to choose from.
        count: Number of clips.
        seed: Seed of the choice.
        looked_at: Receives a line with the largest median error of a synth.
    """
    synths = dict(zip(tables.timbres["timbre"], tables.timbres["synth"], strict=True))
    errors: dict[str, list[float]] = {}
    for place in permutation(seed, len(tables.clips), "onsets")[:count]:
        row = tables.clips.iloc[int(place)]
        sound, rate = clip_sound(layout, row)
        notes = notes_of(tables.phrases.iloc[int(row["phrase"])].to_dict())
        if (error := onset_error_ms(sound, rate, notes, envelope_of(row))) is not None:
            errors.setdefault(synths[row["timbre"]], []).append(error)
    medians = {synth: float(np.median(of)) for synth, of in errors.items()}
    total = sum(map(len, errors.values()))
    largest = max(map(abs, medians.values()), default=0.0)
    looked_at.append(f"{total} clips, at most {largest:.1f} ms off in a synth's median")
    for synth, error in sorted(medians.items()):
        if abs(error) > TOLERANCE_MS and len(errors[synth]) >= FEWEST:
            when = "late" if error > 0 else "early"
            what = f"its notes come {abs(error):.1f} ms {when}: a latency that the plugin does not state?"
            yield Finding("onsets", synth, what)
