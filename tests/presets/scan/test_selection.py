"""Selection: a config's conditions on the columns of a scan."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.types import InputError
from presets.scan.selection import Conditions, select_presets
from presets.synths.synth import open_synth
from tests.support import commands, datasets
from tests.support.presets.preset_scan import LIMIT, rows_by_preset


def test_conditions_are_ranges_and_allowed_values(scan: Path) -> None:
    synth = open_synth("builtin")
    everything = rows_by_preset(scan)
    bright = select_presets(scan, synth, {"brightness_hz": [2000, None], "octave": [0, 0]})
    expected = [
        address
        for address, one in everything.items()
        if float(str(one["brightness_hz"])) >= 2000 and one["octave"] == 0
    ]
    assert bright == expected
    assert 0 < len(bright) < LIMIT
    assert select_presets(scan, synth, {"character": ["noisy", "harmonic"]})
    assert select_presets(scan, synth, None) == [a for a, one in everything.items() if one["distinct"]]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"colour": True}, "no column 'colour'"),
        ({"octave": 0}, r"expected a range \[low, high\]"),
        ({"usable": "yes"}, "expected bool"),
        ({"fingerprint": [0, 1]}, "no column 'fingerprint'"),
    ],
)
def test_an_invalid_condition_is_refused_by_name(
    scan: Path, conditions: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        select_presets(scan, open_synth("builtin"), conditions)  # type: ignore[arg-type]


def test_a_dataset_takes_only_what_the_scan_passes(scan: Path, tmp_path: Path) -> None:
    select: Conditions = {"distinct": True, "brightness_hz": [1000, 6000]}
    timbres = [{"synth": "builtin", "count": 4, "scan": str(scan), "select": select}]
    config = datasets.write_config(tmp_path, timbres=timbres)
    commands.succeed("render", "make", config, "--out", tmp_path / "dataset")
    taken = pq.read_table(tmp_path / "dataset" / "timbres.parquet")["preset"].to_pylist()
    assert len(taken) == 4
    assert set(taken) <= set(select_presets(scan, open_synth("builtin"), select))
