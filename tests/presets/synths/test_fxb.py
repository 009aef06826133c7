"""Banks of VST2 programs are split, and cut ones refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.types import InputError, InputErrors
from presets.synths.fxb import programs
from presets.synths.preset_files import read_preset_folder, scan_preset_folder
from tests.support import litter, odd_presets


def test_a_bank_of_sixteen_programs_is_sixteen_presets(tmp_path: Path) -> None:
    parts = [odd_presets.program(f"Lead {k}", [k / 16, 0.5]) for k in range(16)]
    (tmp_path / "leads.FXB").write_bytes(odd_presets.bank(parts))
    read = read_preset_folder(tmp_path, "vst2", xiz=False)
    assert [file.address for file in read] == [f"leads.FXB/{k:03d}" for k in range(16)]
    assert [file.name for file in read] == [f"Lead {k}" for k in range(16)]
    assert [file.state for file in read] == [("fxp", part) for part in parts]


def test_sizes_of_zero_and_programs_with_chunks_are_split() -> None:
    parts = [odd_presets.chunk_program("a", b"own"), odd_presets.program("b", [0.1])]
    unsized = [part[:4] + bytes(4) + part[8:] for part in parts]
    assert programs(odd_presets.bank(unsized), "x") == [("a", unsized[0]), ("b", unsized[1])]


def test_a_bank_in_one_chunk_is_one_preset_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "all.fxb").write_bytes(odd_presets.chunk_bank(16, b"opaque"))
    found = scan_preset_folder(tmp_path, "vst2", xiz=False)
    assert [file.address for file in found.presets] == ["all.fxb"]
    assert "its 16 programs are in one chunk" in found.remarks[0]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (odd_presets.bank([odd_presets.program("a", [0.5])] * 2)[:-2], "ends too early"),
        (odd_presets.bank([odd_presets.program("a", [0.5])], count=3), "program 1 of 3"),
        (odd_presets.bank([], count=0), "0 programs"),
        (odd_presets.chunk_program("a", b"0123456789")[:-1], "ends too early: 69 of 70 bytes"),
        (odd_presets.program("a", [0.5, 0.5])[:-1], "ends too early"),
    ],
)
def test_cut_files_are_refused(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "a.fxb").write_bytes(data)
    with pytest.raises(InputError, match=says):
        read_preset_folder(tmp_path, "vst2", xiz=False)


def test_all_bad_files_are_named_and_litter_none(tmp_path: Path) -> None:
    (tmp_path / "Lead.FXP").write_bytes(odd_presets.program("Lead", [0.5]))
    for name in ("x.fxp", "y.fxp"):
        (tmp_path / name).write_bytes(b"RIFF")
    (tmp_path / "read me.txt").write_text("presets by me")
    litter.scatter(tmp_path)
    with pytest.raises(InputErrors) as caught:
        read_preset_folder(tmp_path, "vst2", xiz=False)
    assert [Path(line.split(":")[0]).name for line in caught.value.lines] == ["x.fxp", "y.fxp"]
    found = scan_preset_folder(tmp_path, "vst2", xiz=False)
    assert [file.address for file in found.presets] == ["Lead.FXP"]
    assert found.remarks == [
        f"{tmp_path}: 1 files were passed over by their names (.txt 1), such as read me.txt"
    ]
