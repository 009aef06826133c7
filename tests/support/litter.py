"""Files that desktops, file systems, stores and editors leave in folders, as they are found there."""

from __future__ import annotations

from pathlib import Path

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(4000)
NAMES = {
    ".DS_Store": b"\x00\x00\x00\x01Bud1" + bytes(100),
    ".nfs0000000001": b"open elsewhere",
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
    "desktop.ini": b"[.ShellClassInfo]\r\n",
    "~$notes.doc": b"",
}


def scatter(folder: Path) -> None:
    """Puts litter into a folder and its subfolders, and an AppleDouble file beside each file."""
    folders = [folder, *(path for path in sorted(folder.rglob("*")) if path.is_dir())]
    for place in folders:
        for path in sorted(path for path in place.iterdir() if path.is_file()):
            if not path.name.startswith("."):
                (place / f"._{path.name}").write_bytes(APPLE_DOUBLE)
        for name, data in NAMES.items():
            (place / name).write_bytes(data)
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "shard-000000.parquet").write_bytes(b"no table")
