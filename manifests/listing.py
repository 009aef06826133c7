"""Lists folders without litter: the files that desktops, file systems, stores and editors leave in them.

Every listing of a user's folder or of a dataset goes through this module, local or remote. One rule decides
what is passed over: what is hidden, and what a desktop, file system or store puts there for its own use.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from manifests.types import InputError, InputErrors

Say = Callable[[str], None]
"""Takes a remark for the user, one line of text."""

_LITTER = re.compile(
    r"\..*"  # hidden: .DS_Store, ._name (AppleDouble), .nfs0001, .fuse_hidden, .Trash-1000, .~lock.x#
    r"|thumbs\.db(:encryptable)?|ehthumbs(_vista)?\.db|desktop\.ini|\$recycle\.bin"  # Windows
    r"|system volume information|~\$.*"  # Windows; open files of Office
    r"|icon\r|__macosx|network trash folder|temporary items"  # macOS
    r"|lost\+found|@eadir|#recycle|#snapshot|@recycle|@recently-snapshot"  # ext4, storage boxes
    r"|.*_\$folder\$"  # markers of folders by Hadoop
    r"|.*~|#.*#",  # backups of editors
    re.IGNORECASE | re.DOTALL,
)


def is_litter(relative: str) -> bool:
    """Returns whether a path within a folder is litter: hidden, or made by a desktop, file system or editor.

    A path that is empty or ends in a slash is the marker of a folder, which consoles of S3 create.

    >>> [is_litter(name) for name in ("clips/.DS_Store", "a/._b.mid", "Thumbs.db", "train/", "a b.mid")]
    [True, True, True, True, False]
    """
    parts = relative.split("/")
    return not parts[-1] or any(_LITTER.fullmatch(part) for part in parts)


@dataclass(frozen=True, slots=True)
class Listing:
    """The files below a folder, and what could not be listed.

    `files` begin with the folder's path; they are sorted by it, part by part. `unread` has a line of text for
    each folder that cannot be read, and `passed_over` one for each link to a folder, which is not followed,
    and each entry that is no file.
    """

    files: list[Path]
    unread: list[str]
    passed_over: list[str]


def list_folder(folder: Path) -> Listing:
    """Lists the files of a local folder and its subfolders, without litter.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for file in ("b.mid", "._b.mid", "a.mid"):
    ...         (Path(name) / file).touch()
    ...     [path.name for path in list_folder(Path(name)).files]
    ['a.mid', 'b.mid']
    """
    found: list[Path] = []
    unread: list[str] = []
    passed_over: list[str] = []

    def failed(error: OSError) -> None:
        unread.append(f"{error.filename}: cannot be listed ({error.strerror})")

    for walked, folders, names in os.walk(folder, onerror=failed):
        place = Path(walked)
        folders[:] = visible(folders)
        for name in [name for name in folders if (place / name).is_symlink()]:
            folders.remove(name)
            passed_over.append(f"{place / name}: a link to a folder, which is not followed")
        for path in (place / name for name in visible(names)):
            if path.is_file():
                found.append(path)
            else:
                what = "a link to nothing" if path.is_symlink() else "not a regular file"
                passed_over.append(f"{path}: {what}")
    return Listing(sorted(found), sorted(unread), sorted(passed_over))


def visible(names: Iterable[str]) -> list[str]:
    """Returns the names that are no litter, sorted.

    >>> visible(["train", ".DS_Store"])
    ['train']
    """
    return sorted(name for name in names if not is_litter(name))


def say_passed_over(folder: Path, listing: Listing, taken: Iterable[Path], say: Say) -> None:
    """Tells which files of a folder were not taken, and what else in it was passed over.

    Example: `say_passed_over(folder, listing, midi_paths, print)`.
    """
    for line in listing.passed_over:
        say(line)
    kept = set(taken)
    others = [path for path in listing.files if path not in kept]
    if others:
        kinds = Counter(path.suffix.lower() or "no ending" for path in others)
        counted = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        first = others[0].relative_to(folder).as_posix()
        say(f"{folder}: {len(others)} files were passed over by their names ({counted}), such as {first}")


def settle_bad(bad: Sequence[str], count: int, skip: bool, say: Say) -> None:
    """Raises InputErrors with the lines of all `bad` files of `count`, or with `skip` tells them and goes on.

    >>> settle_bad(["a.mid: damaged"], 2, True, print)
    left out: a.mid: damaged
    1 of 2 files left out, since they cannot be read
    """
    if not bad:
        return
    if not skip:
        raise InputErrors(bad, "--skip-bad goes on without them" if len(bad) > 1 else "")
    for line in bad:
        say(f"left out: {line}")
    say(f"{len(bad)} of {count} files left out, since they cannot be read")


@dataclass(slots=True)
class Remarks:
    """Counts what happened in the files of a folder, by description.

    >>> remarks = Remarks()
    >>> remarks.add("a.mid", {"a note was cut": 2})
    >>> remarks.lines()
    ['a note was cut: 2 times in 1 file, such as a.mid']
    """

    counts: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def add(self, name: str, counts: Mapping[str, int]) -> None:
        """Adds what happened in the file called `name`, and how often."""
        for what, times in counts.items():
            self.counts.setdefault(what, []).append((name, times))

    def lines(self) -> list[str]:
        """Returns a line of text for each description."""
        return [
            f"{what}: {_counted(sum(times for _, times in of), 'time')} in {_counted(len(of), 'file')},"
            f" such as {of[0][0]}"
            for what, of in self.counts.items()
        ]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def read_at_most(path: Path, limit: int) -> bytes:
    """Reads a file's first `limit` + 1 bytes: more than `limit` tell that it is larger.

    Raises InputError if it cannot be read.

    Example: `data = read_at_most(path, 1 << 20)`, then check `len(data) > 1 << 20`.
    """
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
