"""Draws the studio's panels: waveform with the envelope over it, piano roll, and what was heard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from manifests.html.svg import element, polyline_points
from manifests.synthesis.compose import gain
from manifests.types import Envelope, Notes
from train.codec.api import ConversionResult
from train.studio.session import Heard
from train.systems.base import Audio

WIDTH, WAVE, ROLL = 600.0, 90.0, 64.0
"""Width of a picture, and the heights of its waveform and its piano roll, in units of its view box."""

BINS = 300
"""Columns of a waveform."""

UNITS = {"attack_ms": "attack", "hold_ms": "hold", "decay_ms": "decay", "sustain": "sustain",
         "release_ms": "release"}  # fmt: skip
DOWNLOADS = {
    "result.wav": "sound (WAV)",
    "result.mid": "notes (MIDI)",
    "envelope.json": "envelope (JSON)",
    "timbre.safetensors": "timbre (safetensors)",
}


def picture(audio: Audio, rate: int, notes: Notes, envelope: Envelope, cut_fade_ms: float, of: str) -> Markup:
    """Draws a sound's waveform with its gain curve over it, and its notes as a piano roll below.

    Args:
        audio: float32 [n], full scale 1.
        rate: sample rate in Hz.
        notes: the notes as they sound.
        envelope: the envelope.
        cut_fade_ms: fade at the end of a cut note, in ms.
        of: what the picture shows, for its label.
    """
    frames, middle = len(audio), WAVE / 2.0
    peak = max(float(np.abs(audio).max()), 1e-9)
    edges = np.linspace(0, frames, BINS + 1).astype(int)[:-1]
    high, low = np.maximum.reduceat(audio, edges) / peak, np.minimum.reduceat(audio, edges) / peak
    x = np.arange(BINS) * (WIDTH / BINS)
    outline = [*_points(x, middle - 0.95 * middle * high), *_points(x, middle - 0.95 * middle * low)[::-1]]
    curve = gain(notes, envelope, rate, frames, cut_fade_ms)[:: max(frames // 1200, 1)]
    at = np.linspace(0.0, WIDTH, len(curve))
    height = middle - 0.95 * middle * curve / max(float(curve.max(initial=0.0)), 1e-9)
    parts = [
        element("polygon", class_="wave", points=polyline_points(outline)),
        element("polyline", class_="gain", points=polyline_points(_points(at, height))),
        *_roll(notes, frames / rate),
        element("line", class_="cursor", x1=0, x2=0, y1=0, y2=WAVE + ROLL),
    ]
    label = f"{of}: {frames / rate:.2f} s, {len(notes)} notes, waveform, envelope and piano roll"
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {WIDTH:.0f} {WAVE + ROLL:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def _points(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> list[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _roll(notes: Notes, seconds: float) -> list[Markup]:
    """Draws notes as bars, higher ones higher, and louder ones darker."""
    if not notes:
        return []
    lowest, highest = min(note.pitch for note in notes), max(note.pitch for note in notes)
    row = ROLL / (highest - lowest + 3)
    return [
        element(
            "rect",
            element("title", f"MIDI {note.pitch}, {note.onset:.3f} s, velocity {note.velocity}"),
            class_="note",
            x=WIDTH * note.onset / seconds,
            y=WAVE + row * (highest - note.pitch + 1),
            width=max(WIDTH * note.duration / seconds, 1.0),
            height=row,
            opacity=0.4 + 0.6 * note.velocity / 127.0,
        )
        for note in notes
    ]


def sound(role: str, key: str, number: int, audio: Audio) -> Markup:
    """Makes the player's element of a sound; the script fetches it when it appears."""
    rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
    return Markup(
        '<audio data-role="{0}" data-src="sound/{1}/{0}.wav?n={2}" data-rms="{3:.6f}"></audio>'
    ).format(role, key, number, rms)


def heard_panel(role: str, heard: Heard, rate: int, cut_fade_ms: float, key: str, number: int) -> str:
    """Shows a recording: its picture, and each number that was heard with its certainty."""
    description = heard.description
    envelope = description.envelope
    rows = []
    for name, title in UNITS.items():
        value = getattr(envelope, name)
        text = f"{value:.3f}" if name == "sustain" else f"{value:.1f} ms"
        rows.append((title, text, f"{description.confidence.get(name, 0.0):.0%}"))
    rows.append(("octave", f"{description.octave:+d}", f"{description.octave_probability:.0%}"))
    table = Markup("").join(
        Markup("<tr><th scope=row>{}</th><td>{}</td><td>{}</td></tr>").format(*row) for row in rows
    )
    facts = f"{len(description.notes)} notes, {envelope.curve}; misfit {description.misfit_db:.1f} dB"
    drawn = picture(heard.audio, rate, description.notes, envelope, cut_fade_ms, role)
    return str(
        Markup(
            '<section class="panel" data-role="{}"><h3>{}: {}</h3>{}{}<p>{}</p><table><thead><tr>'
            '<th scope="col">heard</th><th scope="col">value</th><th scope="col">sure</th></tr></thead>'
            "<tbody>{}</tbody></table>{}</section>"
        ).format(
            role, role.capitalize(), heard.name, drawn, sound(role, key, number, heard.audio), facts, table,
            _list([*heard.changes, *description.doubts]),
        )
    )  # fmt: skip


def result_panel(result: ConversionResult, commands: str, cut_fade_ms: float, key: str, number: int) -> str:
    """Shows the result: its picture, what can be downloaded, and the commands that make the same."""
    notes, envelope = result.notes or (), result.envelope
    assert envelope is not None
    drawn = picture(result.audio, result.rate, notes, envelope, cut_fade_ms, "result")
    links = Markup(" ").join(
        Markup('<a href="sound/{}/{}?n={}" download="{}">{}</a>').format(key, name, number, name, title)
        for name, title in DOWNLOADS.items()
    )
    return str(
        Markup(
            '<section class="panel" data-role="result" data-number="{}"><h3>Result</h3>{}{}<p>{} notes</p>'
            '<p class="downloads">Download: {}</p><p>The same from the command line:</p>'
            '<pre tabindex="0" aria-label="command line">{}</pre>{}</section>'
        ).format(
            number, drawn, sound("result", key, number, result.audio), len(notes), links, commands,
            _list(result.doubts),
        )
    )  # fmt: skip


def message(text: str, error: bool) -> str:
    """Shows one line to the visitor; screen readers announce errors."""
    kind, role = ("error", "alert") if error else ("done", "status")
    return str(Markup('<p class="message {}" role="{}">{}</p>').format(kind, role, text))


def empty(text: str) -> str:
    """Shows what a panel waits for."""
    return f'<section class="panel"><p class="empty">{escape(text)}</p></section>'


def _list(lines: Sequence[str]) -> Markup:
    if not lines:
        return Markup("")
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup('<ul class="doubts">{}</ul>').format(items)
