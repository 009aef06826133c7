"""Fixtures of the tone tests: the built-in synth, a host of it, and a tone set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from presets.host.client import SnapshotHost
from presets.synths.synth import Synth, open_synth
from presets.tones.making import make_tone_set
from presets.tones.tone_set import ToneSet
from tests.support.presets.tone_sets import SPEC


@pytest.fixture(scope="module")
def synth() -> Synth:
    return open_synth("builtin")


@pytest.fixture(scope="module")
def host(synth: Synth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnapshotHost]:
    with SnapshotHost(synth, scratch=tmp_path_factory.mktemp("hosts")) as opened:
        yield opened


@pytest.fixture(scope="module")
def saw(host: SnapshotHost, synth: Synth) -> ToneSet:
    return make_tone_set(host, synth, synth.preset("named/bright-saw"), SPEC)
