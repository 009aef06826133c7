"""ZynAddSubFX: its instruments repeat, lose their envelope, and keep their times."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from manifests.types import InputError, Note
from presets.host.client import GroupJob, SnapshotHost
from presets.synths import zyn
from presets.synths.jobs import PresetState
from presets.synths.profile import InstrumentPin
from presets.synths.synth import Synth, open_synth
from tests.support.presets.plugins import levels, play_note, require_plugin


@pytest.fixture(scope="module")
def zynaddsubfx() -> Synth:
    require_plugin("/usr/share/zynaddsubfx/banks", "zynaddsubfx-data")
    return open_synth("zynaddsubfx", require_plugin("/usr/lib/vst/ZynAddSubFX.so", "zynaddsubfx-vst"))


@pytest.mark.plugins
def test_zynaddsubfx_has_all_its_instruments(zynaddsubfx: Synth) -> None:
    presets = zynaddsubfx.presets()
    assert len(presets) > 1200
    assert len({preset.address for preset in presets}) == len(presets)
    assert sum(zynaddsubfx.is_deterministic(preset) for preset in presets) > 900


@pytest.mark.plugins
def test_an_instrument_repeats_and_loses_its_envelope(zynaddsubfx: Synth, tmp_path: Path) -> None:
    pad, rhodes = (zynaddsubfx.preset(a) for a in ("Pads/0001-Sine Pad.xiz", "Rhodes/0001-DX Rhodes 1.xiz"))
    assert zynaddsubfx.is_deterministic(pad)
    assert pad.state is not None
    with SnapshotHost(zynaddsubfx, scratch=tmp_path) as host:
        first, again, other = (play_note(host, zynaddsubfx, p) for p in (pad, pad, rhodes))
        as_it_is = PresetState("zyn", zyn.read_instrument(pad.state, (), "x"))
        with_envelope = host.render(GroupJob({}, (Note(0.0, 0.8, 60, 100),), 1.0, state=as_it_is))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # The pad rings long after its note; without its envelope it ends with the note.
    silent = levels(first)[18:].max() / levels(first)[:16].mean()
    assert silent < 0.05
    assert levels(with_envelope)[18:].max() / levels(with_envelope)[:16].mean() > 4 * silent


@pytest.mark.plugins
def test_old_instruments_keep_their_times(zynaddsubfx: Synth, tmp_path: Path) -> None:
    # In a state of the plugin's current version old time fields are ignored and defaults stay.
    raw = zynaddsubfx.preset("Pads/0001-Sine Pad.xiz").state
    assert raw is not None
    sounds = []
    with SnapshotHost(zynaddsubfx, scratch=tmp_path) as host:
        for attack in (0, 60, 90):
            pins = (InstrumentPin(element="AMPLITUDE_ENVELOPE", values={"A_dt": attack}, why="tried"),)
            document = PresetState("zyn", zyn.read_instrument(raw, pins, "x"))
            job = GroupJob({}, (Note(0.0, 1.5, 60, 100),), 1.5, state=document)
            sounds.append(levels(host.render(job)))
    arrival = [int(np.argmax(sound > 0.5 * sounds[0][10])) for sound in sounds]
    assert arrival[0] < arrival[1] < arrival[2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"nothing", "not a ZynAddSubFX instrument"),
        (gzip.compress(b"<other/>", mtime=0), "it has no <INSTRUMENT>"),
        (b"\x1f\x8b broken", "not a ZynAddSubFX instrument"),
        (gzip.compress(b"x" * (zyn.MAX_BYTES + 1), mtime=0), "larger than 16 MiB"),
    ],
)
def test_a_damaged_instrument_is_named(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"a.xiz.*{message}"):
        zyn.read_instrument(data, (), "a.xiz")
