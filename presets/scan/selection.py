"""Selects presets of a scan by the conditions on its columns that a config states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.dataset.schema import schema
from manifests.types import InputError
from presets.scan.scan_table import read_scan, scan_metadata
from presets.synths.synth import Synth

Value = float | bool | str | None
Conditions = Mapping[str, Value | Sequence[Value]]

DEFAULT_CONDITIONS: Conditions = {"usable": True, "distinct": True}
"""The conditions of a config that names a scan but no conditions."""


def select_presets(scan: Path, synth: Synth, conditions: Conditions | None) -> list[str]:
    """Lists the addresses of the presets in `scan` that meet every condition, in the scan's order.

    The condition on a number is a range [low, high], ends included; None leaves an end open. The condition on
    a text or a boolean is one value or a list of allowed values. Failed presets meet no condition.

    Raises InputError if the scan is of another synth or plugin, or a condition is invalid.

    Example::

        select_presets(Path("timbres.parquet"), synth, {"distinct": True, "brightness_hz": [1000, None]})
    """
    table, identity = read_scan(scan), scan_metadata(scan)["identity"]
    if identity["synth"] != synth.name:
        raise InputError(f"{scan}: is a scan of {identity['synth']}, not of {synth.name}")
    if identity["synth_is"]["plugin"] != synth.plugin_sha256:
        raise InputError(f"{scan}: was made with another version of {synth.name}; scan again")
    meets = [
        _test(name, condition)
        for name, condition in (DEFAULT_CONDITIONS if conditions is None else conditions).items()
    ]
    return [
        row["preset"]
        for row in table.to_pylist()
        if row["status"] == "ok" and all(row[name] is not None and test(row[name]) for name, test in meets)
    ]


def _test(name: str, condition: Value | Sequence[Value]) -> tuple[str, Any]:
    columns = schema("scan")
    if name not in columns.names or pa.types.is_list(columns.field(name).type):
        usable = [c.name for c in columns if not pa.types.is_list(c.type)]
        raise InputError(f"select: no column {name!r} in a scan; expected some of {', '.join(usable)}")
    kind = columns.field(name).type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        low, high = _range(name, condition)
        return name, lambda value: low <= value <= high
    allowed = list(condition) if isinstance(condition, list | tuple) else [condition]
    expected = bool if pa.types.is_boolean(kind) else str
    if not allowed or not all(isinstance(value, expected) for value in allowed):
        raise InputError(f"select: {name}: expected {expected.__name__} values, got {condition!r}")
    return name, lambda value: value in allowed


def _range(name: str, condition: Any) -> tuple[float, float]:
    ends = list(condition) if isinstance(condition, list | tuple) else [condition]
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(ends) != 2 or len(numbers) + ends.count(None) != 2:
        raise InputError(f"select: {name}: expected a range [low, high], got {condition!r}")
    low = float("-inf") if ends[0] is None else float(ends[0])
    return low, float("inf") if ends[1] is None else float(ends[1])
