"""Installed plugins: where they are, one note played by them, its level and brightness."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from manifests.types import Note
from presets.host.client import GroupJob, SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import Synth

F32 = npt.NDArray[np.float32]
NEKOBI_ID = b"DNek"


def nekobi() -> Path:
    """Returns the path of Nekobi, a VST2 synth, or skips the test."""
    return require_plugin("/usr/lib/vst/Nekobi-vst.so", "dpf-plugins-vst")


def require_plugin(path: str, package: str) -> Path:
    """Returns the path of a plugin or its data. Skips the test where it is missing, unless CI requires it."""
    if not Path(path).exists():
        if os.environ.get("TRIPTYCH_REQUIRE_PLUGINS") == "1":
            pytest.fail(f"{path} is missing, and TRIPTYCH_REQUIRE_PLUGINS=1: apt-get install {package}")
        pytest.skip(f"{path} is missing: apt-get install {package}")
    return Path(path)


def play_note(host: SnapshotHost, synth: Synth, preset: Preset, pitch: int = 60, seconds: float = 1.0) -> F32:
    settings = synth.profile.host_values(preset.parameters)
    note = Note(0.0, 0.8 * seconds, pitch, 100)
    return host.render(GroupJob(settings, (note,), seconds, state=synth.preset_state(preset)))


def levels(sound: F32) -> npt.NDArray[np.float64]:
    frames = sound.mean(axis=0)[: len(sound[0]) // 2205 * 2205].reshape(-1, 2205)
    return np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))


def centroid(sound: F32) -> float:
    magnitude = np.abs(np.fft.rfft(sound.mean(axis=0)[:32768]))
    return float(np.sum(np.arange(len(magnitude)) * magnitude) / np.sum(magnitude))
