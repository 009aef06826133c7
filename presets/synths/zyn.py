"""Reads ZynAddSubFX instruments (.xiz), pins values in them, and inserts them into the plugin's saved state.

The state is a VST2 chunk file: a header of 160 bytes, whose last four are the chunk's length (big-endian),
then `state`, a zero byte, XML, a zero byte. The instrument replaces that of part 0.

Values change their meaning between versions: since 3.0.3 times are in seconds, not steps of 0..127, and have
another element name. So the state gets the version of the instrument's file, and the plugin converts the
values as it does when it reads the file itself.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.parsers import expat

from manifests.types import InputError

if TYPE_CHECKING:
    # The host process does not need the profile module and pydantic, which take 0.3 s to import.
    from presets.synths.profile import InstrumentPin

HEADER = 160
PREFIX = b"state\0"
MAX_BYTES = 1 << 24
_PROLOG = re.compile(r"\A\s*(<\?xml[^>]*\?>)?\s*(<!DOCTYPE[^>]*>)?")
_PART = re.compile(r'(<PART id="0">.*?)<INSTRUMENT>.*?</INSTRUMENT>', re.DOTALL)
_ROOT = re.compile(r"<ZynAddSubFX-data[^>]*>")


def read_instrument(data: bytes, pins: tuple[InstrumentPin, ...], where: str) -> bytes:
    """Reads the instrument in a .xiz file's bytes (gzip or plain) and applies `pins`.

    Returns an XML document with that instrument only. Raises InputError, which starts with `where`, if the
    bytes are not an instrument or are larger than 16 MiB.

    Example::

        document = read_instrument(path.read_bytes(), profile.instrument_pins, str(path))
    """
    try:
        text = _PROLOG.sub("", _plain(data).decode("utf-8", errors="replace"), count=1)
        # Entities can be defined only in a DOCTYPE, which was removed.
        root = ET.fromstring(text)
    except (OSError, EOFError, zlib.error, ET.ParseError) as error:
        raise InputError(f"{where}: not a ZynAddSubFX instrument ({error})") from None
    element = root.find("INSTRUMENT")
    if root.tag != "ZynAddSubFX-data" or element is None:
        raise InputError(f"{where}: not a ZynAddSubFX instrument (it has no <INSTRUMENT>)")
    for pin in pins:
        for pinned in element.iter(pin.element):
            for name, value in pin.values.items():
                _pin(pinned, name, value)
    small = ET.Element("ZynAddSubFX-data", root.attrib)
    small.append(element)
    return bytes(ET.tostring(small, encoding="utf-8"))


def check_instrument(data: bytes, where: str) -> None:
    """Raises InputError, which starts with `where`, if a file's bytes are no instrument. Builds no document.

    Example: `check_instrument(path.read_bytes(), str(path))`.
    """
    try:
        text = _PROLOG.sub("", _plain(data).decode("utf-8", errors="replace"), count=1)
        expat.ParserCreate().Parse(text.lstrip(), True)
    except (OSError, EOFError, zlib.error, expat.ExpatError) as error:
        raise InputError(f"{where}: not a ZynAddSubFX instrument ({error})") from None
    if not text.lstrip().startswith("<ZynAddSubFX-data") or "<INSTRUMENT" not in text:
        raise InputError(f"{where}: not a ZynAddSubFX instrument (it has no <INSTRUMENT>)")


def uses_padsynth(data: bytes) -> bool:
    """Returns whether an instrument uses PADsynth, whose random phases differ from render to render."""
    with suppress(OSError, EOFError, zlib.error):
        return b'name="pad_enabled" value="yes"' in _plain(data)
    return False


def _plain(data: bytes) -> bytes:
    """Returns a file's XML, which may be compressed by gzip."""
    if data[:2] != b"\x1f\x8b":
        return data
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise OSError("larger than 16 MiB")
    return text


def _pin(element: ET.Element, name: str, value: int | bool) -> None:
    kind, text = ("par_bool", "yes" if value else "no") if isinstance(value, bool) else ("par", str(value))
    for old in [child for child in element if child.get("name") == name]:
        element.remove(old)
    ET.SubElement(element, kind, {"name": name, "value": text})


def insert_instrument(state: bytes, document: bytes) -> bytes:
    """Replaces the instrument of part 0 in the plugin's saved `state` by that of `document`.

    `document` is what `read_instrument` returned. Raises ValueError if the state has an unknown form.
    """
    if state[:4] != b"CcnK" or state[HEADER : HEADER + len(PREFIX)] != PREFIX:
        raise ValueError("the plugin's saved state is not of the known form")
    text = state[HEADER + len(PREFIX) :].rstrip(b"\0").decode("utf-8", errors="replace")
    theirs = document.decode("utf-8")
    start, end = theirs.index("<INSTRUMENT>"), theirs.rindex("</INSTRUMENT>") + len("</INSTRUMENT>")
    version = _ROOT.search(theirs)
    assert version is not None
    text, roots = _ROOT.subn(lambda _: version[0], text, count=1)
    text, parts = _PART.subn(lambda match: match[1] + theirs[start:end], text, count=1)
    if (roots, parts) != (1, 1):
        raise ValueError("the plugin's saved state has no instrument in part 0")
    chunk = PREFIX + text.encode("utf-8") + b"\0"
    return state[: HEADER - 4] + len(chunk).to_bytes(4, "big") + chunk
