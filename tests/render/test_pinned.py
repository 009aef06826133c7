"""Pinned renders of the built-in synth: audible output is part of the version.

On a platform class that `pinned.json` knows, PCM has to be the same bit for bit; on another one samples
taken from it agree to within -80 dBFS. A sound that is changed on purpose: raise `AUDIO_VERSION` in
`render/planning/fingerprint.py`, then write the pins anew by `python -m tests.render.test_pinned`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from manifests.dataset.canonical import sha256_json
from manifests.synthesis.compose import dry, gain, pcm_sha256, peak_value, to_int16
from manifests.types import Envelope, Note
from presets.host.client import SnapshotHost
from presets.synths.synth import open_synth
from presets.tones.making import ToneSpec, make_tone_set
from presets.tones.playing import PlayedCell, PlaySpec, play_group
from render.planning.fingerprint import AUDIO_VERSION, platform_class

I16 = npt.NDArray[np.int16]

PINS = Path(__file__).with_name("pinned.json")
RATE, FRAMES, CUT_MS = 44_100, 66_150, 3.0
STEP = 997
"""Every so many samples one is kept for other platform classes."""
ELSEWHERE = 4
"""What a sample may differ by there: -78 dBFS, which is -80 dB and rounding on both sides."""
CHANGED = "the sound has changed. If that is meant, see the top of tests/render/test_pinned.py"
NOTES = (Note(0.1, 0.4, 57, 100), Note(0.5, 0.3, 64, 80), Note(1.0, 0.25, 60, 127))
ENVELOPE = Envelope(20.0, 80.0, 0.5, 150.0, 10.0)
PRESETS = ("named/bright-saw", "named/oboe", "named/growl-bass")


def renders() -> dict[str, I16]:
    """Renders three presets in both pitchings and both shapings: int16 [frames] by name."""
    synth, made = open_synth("builtin"), {}
    with SnapshotHost(synth, rate=RATE) as host:
        for address in PRESETS:
            preset = synth.preset(address)
            for pitching in ("multisample", "one_shot"):
                spec = ToneSpec(
                    RATE, 1.5, 57, 64, settle_s=0.5, max_level_variation_db=3.0, pitching=pitching
                )
                tones = make_tone_set(host, synth, preset, spec).by_pitch()
                sound = dry(NOTES, tones, RATE, FRAMES) * gain(NOTES, ENVELOPE, RATE, FRAMES, CUT_MS)
                made[f"{address} {pitching}"] = to_int16(sound, peak_value(-1.0))[0]
            (played,) = play_group(
                host, synth, preset, [PlayedCell(NOTES, ENVELOPE)], PlaySpec(RATE, FRAMES, CUT_MS)
            )
            made[f"{address} plugin"] = to_int16(played, peak_value(-1.0))[0]
    return made


def this_class() -> str:
    return sha256_json(platform_class())[:16]


def differences(made: dict[str, I16], pins: dict[str, Any], of_class: str) -> list[str]:
    """Names the renders that differ from the pins: by hash on a known platform class, else by samples."""
    known = pins["classes"].get(of_class)
    changed = []
    for name, pcm in made.items():
        if known is not None:
            same = pcm_sha256(pcm) == known["sha256"].get(name)
        else:
            kept = np.array(pins["samples"].get(name, []), dtype=np.int32)
            here = pcm[::STEP].astype(np.int32)
            same = here.shape == kept.shape and int(np.abs(here - kept).max()) <= ELSEWHERE
        if not same:
            changed.append(name)
    return changed


@pytest.fixture(scope="module")
def made() -> dict[str, I16]:
    return renders()


@pytest.fixture(scope="module")
def pins() -> dict[str, Any]:
    pinned: dict[str, Any] = json.loads(PINS.read_text())
    return pinned


def test_pinned_renders_are_unchanged(made: dict[str, I16], pins: dict[str, Any]) -> None:
    assert pins["audio"] == AUDIO_VERSION, "the pins are another audio version's: write them anew"
    assert set(made) == set(pins["samples"])
    assert differences(made, pins, this_class()) == [], CHANGED
    # On platform classes without a pin only the samples are compared.
    assert differences(made, pins, "another") == [], CHANGED


def test_an_inaudible_change_is_detected(made: dict[str, I16], pins: dict[str, Any]) -> None:
    here = {**pins, "classes": {"here": {"sha256": {name: pcm_sha256(pcm) for name, pcm in made.items()}}}}
    name = next(iter(made))
    slightly = made[name].copy()
    slightly[5000] += 1
    assert differences({**made, name: slightly}, here, "here") == [name]
    louder = np.rint(made[name] * 0.999).astype(np.int16)
    assert differences({**made, name: louder}, here, "another") == [name]


def write() -> None:
    """Writes the pins: hashes for this platform class, samples for all others."""
    made = renders()
    before = json.loads(PINS.read_text()) if PINS.exists() else {"audio": AUDIO_VERSION, "classes": {}}
    classes = before["classes"] if before["audio"] == AUDIO_VERSION else {}
    classes[this_class()] = {
        "is": platform_class(),
        "sha256": {name: pcm_sha256(pcm) for name, pcm in made.items()},
    }
    samples = {name: pcm[::STEP].tolist() for name, pcm in made.items()}
    PINS.write_text(json.dumps({"audio": AUDIO_VERSION, "classes": classes, "samples": samples}) + "\n")


if __name__ == "__main__":
    write()
