"""Planning: synths that are not installed."""

from __future__ import annotations

import pytest

from manifests.types import InputError
from render.config import parse
from render.planning.plan import resolve_synths
from tests.support import datasets


def test_an_absent_optional_synth_need_not_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("render.planning.plan.is_installed", lambda synth: synth != "nekobi")
    timbres = [*datasets.TINY["timbres"], {"synth": "nekobi", "count": 3, "optional": True}]
    settings = {**datasets.TINY, "timbres": timbres, "splits": {"unseen_synth": "nekobi"}}
    config, synths, remarks = resolve_synths(parse(settings, "test"))
    assert [synth.name for synth in synths] == ["builtin"]
    assert config.splits.unseen_synth is None
    assert remarks == ["nekobi is not installed: its 3 timbres are left out"]
    other = parse({**settings, "splits": {"unseen_synth": "amsynth"}}, "test")
    with pytest.raises(InputError, match="unseen_synth: 'amsynth' is none of"):
        resolve_synths(other)
