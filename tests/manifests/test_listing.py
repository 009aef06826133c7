"""Listings pass over litter and nothing else, and tell what they pass over."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.dataset.storage import list_files
from manifests.listing import is_litter, list_folder, say_passed_over, settle_bad
from manifests.types import InputErrors
from tests.support import litter


@pytest.mark.parametrize(
    "name",
    [
        "a.mid",
        "a/b c.fxp",
        "shard-000000.parquet",
        "#1 hit.mid",
        "thumbs.db.mid",
        "Icon.mid",
        "x/~hi.wav",
        "a~b",
    ],
)
def test_data_is_no_litter(name: str) -> None:
    assert not is_litter(name)


@pytest.mark.parametrize(
    "name",
    [
        *litter.NAMES,
        "._good.mid",
        "a/._Lead.fxp",
        ".Trash-1000/files/a.mid",
        "$RECYCLE.BIN/x.wav",
        "@eaDir/a.mid/x",
        "lost+found/#123",
        "clips_$folder$",
        "clips/",
        "",
        "song.mid~",
        "#song.mid#",
        "Icon\r",
        "__MACOSX/a.mid",
    ],
)
def test_litter_is_known(name: str) -> None:
    assert is_litter(name)


def test_both_listings_pass_over_litter(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    for name in ("a.mid", "deeper/b.mid"):
        (tmp_path / name).write_bytes(b"x")
    litter.scatter(tmp_path)
    assert list_folder(tmp_path).files == [tmp_path / "a.mid", tmp_path / "deeper" / "b.mid"]
    assert list_files(tmp_path) == {"a.mid": 1, "deeper/b.mid": 1}


def test_what_is_passed_over_is_told(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "gone.mid").symlink_to(tmp_path / "nothing")
    for name in ("a.mid", "b.txt", "real/c.TXT", "README"):
        (tmp_path / name).touch()
    listing, said = list_folder(tmp_path), []  # type: tuple[object, list[str]]
    say_passed_over(tmp_path, listing, [tmp_path / "a.mid"], said.append)
    assert said == [
        f"{tmp_path}/gone.mid: a link to nothing",
        f"{tmp_path}/link: a link to a folder, which is not followed",
        f"{tmp_path}: 3 files were passed over by their names (.txt 2, no ending 1), such as README",
    ]


def test_bad_files_are_refused_all_at_once_or_skipped() -> None:
    bad = ["a.mid: damaged", "b.mid: damaged"]
    with pytest.raises(InputErrors, match=r"a\.mid.*b\.mid.*--skip-bad") as caught:
        settle_bad(bad, 3, False, print)
    assert caught.value.lines == bad
    said: list[str] = []
    settle_bad(bad, 3, True, said.append)
    assert said[-1] == "2 of 3 files left out, since they cannot be read"
    settle_bad([], 3, False, said.append)
