"""Scans a synth: measures every preset in isolation, in parts from which an interrupted scan resumes.

A part is a file of `PART` presets in a folder beside the table. When all parts exist, the presets are
compared and the table is written. The table does not depend on the number of workers.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.dataset import files
from manifests.dataset.canonical import canonical_json, differences
from manifests.dataset.schema import schema
from manifests.listing import Say
from manifests.types import InputError
from presets.host.client import Limits, SnapshotHost
from presets.host.usable import usable_presets
from presets.scan import describe
from presets.scan.describe import ScanSpec
from presets.scan.distinct import compare_presets
from presets.scan.scan_table import METADATA_KEY, scan_metadata
from presets.synths.preset import Preset
from presets.synths.synth import Synth

PART = 16
"""The number of presets of a part."""
LIMITS = Limits(cpu_s=30, idle_s=30.0)


def presets_to_scan(
    synth: Synth,
    banks: list[str],
    limit: int | None,
    skip_bad: bool = False,
    say: Say = lambda line: None,
) -> list[Preset]:
    """Lists the presets to scan: those of `banks` (all if empty), at most `limit` of them, evenly spread.

    `skip_bad` and `say` are those of `Synth.presets`. Raises InputError if the synth has no bank of such a
    name, and the errors of `Synth.presets`.
    """
    presets = usable_presets(synth, skip_bad, say)
    names = sorted({preset.address.split("/")[0] for preset in presets})
    if unknown := sorted(set(banks) - set(names)):
        raise InputError(f"--banks {unknown[0]!r}: {synth.name} has no such bank; expected some of {names}")
    if banks:
        presets = [preset for preset in presets if preset.address.split("/")[0] in banks]
    if limit is not None and limit < len(presets):
        presets = [presets[i * len(presets) // limit] for i in range(limit)]
    return presets


def identity(synth: Synth, presets: list[Preset], spec: ScanSpec) -> dict[str, Any]:
    """Returns everything that a scan's result depends on."""
    return {
        "version": describe.VERSION,
        "synth": synth.name,
        "synth_is": synth.fingerprint(),
        "spec": asdict(spec),
        "presets": [preset.address for preset in presets],
    }


class ScanRun:
    """Runs one scan that writes the table `out`; keeps track of its parts.

    Raises InputError if `presets` is empty.

    Example::

        scan = ScanRun(synth, synth.presets(), ScanSpec(), Path("timbres.parquet"))
        scan.begin()
        for count in scan.run(workers=4):
            print(f"{count} more presets")
        table = scan.finish()
    """

    def __init__(self, synth: Synth, presets: list[Preset], spec: ScanSpec, out: Path) -> None:
        if not presets:
            raise InputError(f"synth {synth.name}: has no presets to scan; its profile names no `banks`")
        self.synth, self.presets, self.spec, self.out = synth, presets, spec, out
        self.folder = out.with_name(f"{out.name}.parts")
        self.identity = json.loads(canonical_json(identity(synth, presets, spec)))
        self.parts = [
            (self._path(first), [preset.address for preset in presets[first : first + PART]])
            for first in range(0, len(presets), PART)
        ]

    def _path(self, first: int) -> Path:
        return self.folder / f"{first:06d}.json"

    def finished(self) -> bool:
        """Returns whether `out` holds this scan's result. Raises InputError if it is not a scan at all."""
        return self.out.exists() and scan_metadata(self.out)["identity"] == self.identity

    def begin(self) -> None:
        """Creates or resumes the folder of parts. Raises InputError if it belongs to a different scan."""
        claim = self.folder / "scan.json"
        if claim.exists():
            lines = differences(json.loads(claim.read_bytes()), self.identity)
            if lines:
                raise InputError(
                    f"{self.folder}: belongs to a different scan ({'; '.join(lines[:2])}); remove it"
                    " to start over"
                )
        else:
            files.replace(claim, canonical_json(self.identity))

    def missing(self) -> list[tuple[Path, list[str]]]:
        """Lists the parts that do not exist yet: file and preset addresses."""
        return [(path, addresses) for path, addresses in self.parts if not path.exists()]

    def run(self, workers: int) -> Iterator[int]:
        """Measures the missing parts in `workers` processes; yields each finished part's number of presets.

        Raises MachineFailure if a host cannot start or render.
        """
        missing = self.missing()
        if workers == 1 or len(missing) < 2:
            for path, addresses in missing:
                yield describe_part(self.synth, addresses, self.spec, path)
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(missing)), context) as pool:
            futures: list[Future[int]] = [
                pool.submit(describe_part, self.synth, addresses, self.spec, path)
                for path, addresses in missing
            ]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def finish(self) -> pa.Table:
        """Compares all presets, writes the table and removes the parts. Every part must exist."""
        rows = [row for path, _ in self.parts for row in json.loads(path.read_bytes())["rows"]]
        rows, parameters = compare_presets(rows)
        table = pa.Table.from_pylist(rows, schema=schema("scan"))
        metadata = {"identity": self.identity, **parameters}
        table = table.replace_schema_metadata(
            {**table.schema.metadata, METADATA_KEY: canonical_json(metadata)}
        )
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        files.replace(self.out, buffer.getvalue().to_pybytes())
        shutil.rmtree(self.folder)
        return table


def describe_part(synth: Synth, addresses: list[str], spec: ScanSpec, path: Path) -> int:
    """Measures the presets at `addresses` and writes the part `path`; returns their number."""
    host = _host(synth, spec.rate)
    rows = [describe.describe_preset(host, synth, synth.preset(address), spec) for address in addresses]
    files.replace(path, json.dumps({"rows": rows}).encode())
    return len(rows)


@lru_cache(maxsize=1)
def _host(synth: Synth, rate: int) -> SnapshotHost:
    """Starts this process's host and tests it, once; it ends with the process."""
    host = SnapshotHost(synth, rate=rate, limits=LIMITS, scratch=Path(tempfile.gettempdir()))
    host.__enter__()
    host.self_test()
    return host
