"""Splits VST2 banks (.fxb) into their programs, and checks that files of this format (.fxp, .fxb) are whole.

All numbers are big-endian. A program begins with `CcnK`, its size without these eight bytes, `FxCk` (values)
or `FPCh` (a chunk of the plugin's own), versions and ids, and its name at byte 28. A bank begins alike, with
`FxBk` or `FBCh`, holds the number of programs at byte 24, and its programs or chunk from byte 156 on.

The format: vstfxstore.h of the VST 2.4 SDK, Steinberg 2006.
"""

from __future__ import annotations

from manifests.types import InputError

PROGRAM_BEGIN, BANK_BEGIN = 56, 156
"""Where a program's values, and a bank's programs or chunk, begin."""
MOST_PROGRAMS = 16_384


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4])


def check_size(data: bytes, where: str) -> None:
    """Checks that a program or bank whose chunk states its size has all its bytes.

    Raises InputError, which starts with `where`, if bytes are missing.

    Example: `check_size(path.read_bytes(), str(path))`.
    """
    begin = {b"FPCh": PROGRAM_BEGIN, b"FBCh": BANK_BEGIN}.get(data[8:12])
    if data[8:12] == b"FxCk":
        needed = PROGRAM_BEGIN + 4 * _number(data, 24)
    elif begin is not None:
        needed = begin + 4 + _number(data, begin)
    else:
        return
    if len(data) < needed:
        raise InputError(f"{where}: ends too early: {len(data)} of {needed} bytes")


def opaque_programs(data: bytes) -> int:
    """Returns how many programs a bank holds in a chunk that only its plugin reads; 0 for other files.

    >>> opaque_programs(b"CcnK" + bytes(4) + b"FBCh" + bytes(12) + (16).to_bytes(4))
    16
    """
    return _number(data, 24) if data[8:12] == b"FBCh" else 0


def programs(data: bytes, where: str) -> list[tuple[str, bytes]] | None:
    """Splits a bank into its programs; returns (name, bytes of a .fxp file) of each.

    Returns None for other files, and for a bank of one program, which plugins load as it is.

    Raises InputError, which starts with `where`, if the bank ends before its programs do.

    Example: `programs(path.read_bytes(), str(path))[0]` is ("Lead", b"CcnK…").
    """
    if data[8:12] != b"FxBk":
        return None
    count, at = _number(data, 24), BANK_BEGIN
    if count == 1:
        return None
    if not 1 <= count <= MOST_PROGRAMS:
        raise InputError(f"{where}: its header says {count} programs; expected 1..{MOST_PROGRAMS}")
    found = []
    for number in range(count):
        kind = data[at + 8 : at + 12]
        if data[at : at + 4] != b"CcnK" or kind not in (b"FxCk", b"FPCh"):
            raise InputError(f"{where}: damaged: program {number} of {count} does not begin where it should")
        # Some writers leave the stated size at 0, so the contents tell it.
        size = 4 * _number(data, at + 24) if kind == b"FxCk" else 4 + _number(data, at + PROGRAM_BEGIN)
        part = data[at : at + PROGRAM_BEGIN + size]
        if len(part) < PROGRAM_BEGIN + size:
            raise InputError(f"{where}: ends too early, within program {number} of {count}")
        name = part[28:PROGRAM_BEGIN].split(b"\0")[0].decode("utf-8", errors="replace").strip()
        found.append((name, part))
        at += len(part)
    return found


def plugin_id(data: bytes) -> bytes:
    """Returns the id of the plugin that a program or bank belongs to: four bytes, mostly letters.

    >>> plugin_id(b"CcnK" + bytes(12) + b"Nekb")
    b'Nekb'
    """
    return data[16:20]


def foreign(data: bytes, own: bytes) -> str:
    """Returns why a program or bank is not one of the plugin whose id is `own`; "" if it is.

    >>> foreign(b"CcnK" + bytes(12) + b"Nekb", b"amSy")
    "it is a preset of another plugin: its id is 'Nekb', this plugin's is 'amSy'"
    """
    theirs = plugin_id(data)
    if theirs == own:
        return ""
    return f"it is a preset of another plugin: its id is {_spelled(theirs)}, this plugin's is {_spelled(own)}"


def _spelled(name: bytes) -> str:
    text = name.decode("latin-1")
    return repr(text) if text.isascii() and text.isprintable() else f"0x{name.hex()}"
