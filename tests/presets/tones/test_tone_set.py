"""Tone sets: saved, loaded, and refused where damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.types import InputError
from presets.tones.tone_set import ToneSet
from tests.support.presets.tone_sets import assert_same_tone_set


@pytest.mark.parametrize("mmap", [True, False])
def test_a_saved_tone_set_loads_unchanged(saw: ToneSet, tmp_path: Path, mmap: bool) -> None:
    saw.save(tmp_path / "set")
    assert_same_tone_set(ToneSet.load(tmp_path / "set", mmap=mmap), saw)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.json", "set.npy"]


@pytest.mark.parametrize("file", ["set.npy", "set.json"])
@pytest.mark.parametrize("left", [0, 100])
def test_a_truncated_tone_set_counts_as_absent(saw: ToneSet, tmp_path: Path, file: str, left: int) -> None:
    saw.save(tmp_path / "set")
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:left])
    assert ToneSet.load_or_none(tmp_path / "set") is None
    with pytest.raises(InputError, match="damaged or missing tone set"):
        ToneSet.load(tmp_path / "set")


def test_changed_audio_is_noticed(saw: ToneSet, tmp_path: Path) -> None:
    saw.save(tmp_path / "set")
    data = bytearray((tmp_path / "set.npy").read_bytes())
    data[-1] ^= 1
    (tmp_path / "set.npy").write_bytes(data)
    with pytest.raises(InputError, match="has changed"):
        ToneSet.load(tmp_path / "set", mmap=False)


def test_an_unsaved_tone_set_is_absent(tmp_path: Path) -> None:
    assert ToneSet.load_or_none(tmp_path / "nothing") is None
