"""Writes the page of a match: the recording, the presets, their sounds and distances."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from manifests.html.environment import environment
from manifests.types import Envelope
from presets.match.hearing import HeardRecording
from presets.match.nearest import RATE, Match

F32 = npt.NDArray[np.float32]

LEVEL = 0.08
"""RMS that all sounds of the page have, unless that would exceed full scale."""


def match_page(
    recording: Path, heard: HeardRecording, synth: str, matches: Sequence[Match], envelope: Envelope
) -> str:
    """Returns the page as HTML. It holds all its sounds, level-matched, and needs no network.

    Example: `match_page(Path("a.wav"), heard, "amsynth", matches, envelope)`
    """
    loudest = min(
        0.99 * _rms(sound) / max(float(np.abs(sound).max()), 1e-9)
        for sound in (heard.sound, *(match.sound for match in matches))
    )
    level = min(LEVEL, loudest)
    rows = [
        {
            "address": match.preset.address,
            "name": match.preset.name,
            "distance": match.distance,
            "scanned": match.scanned,
            "sound": _data(match.sound, RATE, level),
        }
        for match in matches
    ]
    page = environment(files("presets.match")).get_template("page.html")
    return page.render(
        recording=recording.name,
        source=_data(heard.sound, heard.rate, level),
        synth=synth,
        rows=rows,
        notes=len(heard.notes),
        heard=heard.envelope,
        envelope=envelope,
        settings=matches[0].settings,
        doubts=heard.doubts,
    )


def _rms(sound: F32) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def _data(sound: F32, rate: int, level: float) -> str:
    """Encodes a sound, at a level, as FLAC in a data URL."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sound * np.float32(level / max(_rms(sound), 1e-9)), rate, "PCM_16", format="FLAC")
    return "data:audio/flac;base64," + base64.b64encode(buffer.getvalue()).decode()
