"""Makes a release the default codec: copies it into the package, and its figures into the README.

    python scripts/install_release.py RELEASE

RELEASE is a folder of `python -m train release`. Its card must have no gaps.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from train.codec.release import MAX_FILE_BYTES
from train.codec.release_card import TO_DO, with_block
from train.codec.release_facts import read_card
from train.codec.released import FOLDER

ROOT = Path(__file__).parents[1]


def main(release: Path) -> None:
    card_path = release / "card.json"
    card = read_card(card_path.read_bytes(), str(card_path))
    if TO_DO in (release / "README.md").read_text(encoding="utf-8"):
        sys.exit(f"error: {release}/README.md: {TO_DO} stands there; give these facts to `train release`")
    large = [name for name, about in card["weights"].items() if about["bytes"] > MAX_FILE_BYTES]
    if large:
        sys.exit(f"error: {release}/{large[0]}: larger than 16 MiB")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for name in (*card["weights"], "card.json", "README.md"):
        shutil.copyfile(release / name, FOLDER / name)
    shutil.copytree(release / "clips", FOLDER / "clips")
    readme = ROOT / "README.md"
    readme.write_text(with_block(readme.read_text(encoding="utf-8"), card), encoding="utf-8")
    print(f"{FOLDER}: {card['name']}, {card['step']} steps")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/install_release.py RELEASE")
    main(Path(sys.argv[1]))
