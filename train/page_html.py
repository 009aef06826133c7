"""The page as HTML: one self-contained text from rows and scores. The HTML itself is in page_assets/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from train.page_figures import adsr_svg
from train.page_rows import BY_NUMBER, Panel, Row
from train.page_scores import row_scores, score_blocks
from train.page_sounds import (
    curve_path,
    data_url,
    flac,
    frequency_height,
    power,
    spectrogram_png,
    waveform_path,
)
from train.page_words import HELD_OUT, SPLIT_WORDS, TAKEN, split_title

LETTERS = {"source": "A", "reference": "B", "target": "C", "converted": "D"}
"""The key that plays each role."""

Terms = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page says of itself: (term, words) about dataset and codec, rate of its audio, the seed."""

    dataset: Terms
    codec: Terms
    rate: int
    seed: int


def _asset(name: str) -> str:
    return (files("train") / "page_assets" / name).read_text(encoding="utf-8")


def render(rows: Sequence[Row], summary: dict[str, Any] | None, facts: Facts) -> str:
    """The whole page. Equal rows, summary and facts give the same text."""
    splits = list(dict.fromkeys(row.split for row in rows))
    kinds = list(dict.fromkeys(row.kind for row in rows))
    none = '<p class="note">This page was made without scores.</p>'
    return Template(_asset("page.html")).substitute(
        style=_asset("page.css"),
        script=_asset("page.js"),
        held_out=HELD_OUT if "train" not in splits else "",
        adsr=adsr_svg(),
        scores=score_blocks(summary) if summary else none,
        splits="".join(f"<li><b>{split_title(split)}</b>: {SPLIT_WORDS[split]}.</li>" for split in splits),
        dataset=_terms(facts.dataset),
        codec=_terms(facts.codec),
        seed=facts.seed,
        kinds=_options([(kind, "envelope by number" if kind == "number" else kind) for kind in kinds]),
        split_options=_options([(split, split_title(split)) for split in splits]),
        rows="".join(_row(number, row, facts.rate) for number, row in enumerate(rows, start=1)),
    )


def _terms(terms: Terms) -> str:
    return "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(words)}</dd></div>" for term, words in terms)


def _options(options: Terms) -> str:
    return "".join(f'<option value="{value}">{escape(words)}</option>' for value, words in options)


def _row(number: int, row: Row, rate: int) -> str:
    title, words = TAKEN[row.kind]
    powers = [10.0 * np.log10(power(panel.audio, rate) + 1e-9) for panel in row.panels]
    top = max(float(p.max()) for p in powers)
    panels = [
        _panel(panel, data_url("image/png", spectrogram_png(db, top)), rate)
        for panel, db in zip(row.panels, powers, strict=True)
    ]
    if row.kind == "number":
        panels.insert(1, _numbers())
    return Template(_asset("row.html")).substitute(
        number=number,
        kind=row.kind,
        split=row.split,
        title=escape(title),
        words=escape(words),
        split_title=escape(split_title(row.split)),
        seconds=f"{max(len(panel.audio) for panel in row.panels) / rate:.3f}",
        panels="".join(panels),
        scores=row_scores(row.scores),
    )


def _numbers() -> str:
    """The envelope that was asked for, in place of a reference."""
    return Template(_asset("numbers.html")).substitute(
        adsr=adsr_svg(BY_NUMBER),
        attack=f"{BY_NUMBER.attack_ms:g}",
        decay=f"{BY_NUMBER.decay_ms:g}",
        sustain=f"{BY_NUMBER.sustain:g}",
        release=f"{BY_NUMBER.release_ms:g}",
    )


def _panel(panel: Panel, spectrogram: str, rate: int) -> str:
    name, envelope, phrase = panel.facts
    peak = float(np.max(np.abs(panel.audio), initial=0.0)) or 1.0
    curves = "".join(
        f'<path class="gain {curve.style}" d="{curve_path(curve.values)}"/>' for curve in panel.curves
    )
    keys = "".join(
        f'<li><span class="key {curve.style}"></span>{escape(curve.meaning)}</li>' for curve in panel.curves
    )
    hertz = "".join(
        f'<span class="hz" style="bottom:{100 * frequency_height(value, rate):.1f}%">{label}</span>'
        for value, label in ((10_000.0, "10k"), (1_000.0, "1k"), (100.0, "100 Hz"))
    )
    return Template(_asset("panel.html")).substitute(
        role=panel.role,
        letter=LETTERS[panel.role],
        key=LETTERS[panel.role].lower(),
        rms=f"{np.sqrt(np.mean(panel.audio.astype(np.float64) ** 2)):.6f}",
        name=escape(name),
        envelope=escape(envelope),
        phrase=escape(phrase),
        meaning=escape(" and ".join(curve.meaning for curve in panel.curves)),
        wave=waveform_path(panel.audio, peak),
        curves=curves,
        spectrogram=spectrogram,
        hertz=hertz,
        keys=keys,
        audio=data_url("audio/flac", flac(panel.audio, rate)),
    )
