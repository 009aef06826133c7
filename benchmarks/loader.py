"""The loader against random file access, over the same clips, and against the training step it has to feed.

    python -m benchmarks.loader DATASET [--examples 3000] [--threads 2] [--latency-ms 20] [--config CONFIG]

Both sides give the same kinds of examples, decoded to int16 with their notes, by as many threads:
- blocks: `train.data.loader.Loader`, one range read a block, each clip decoded once;
- files: every clip a .flac file of its own; each example opens and decodes its target and the partners it
  finds in all of the split. They are found either by an index (generous), or by a scan of the split's rows
  for each partner, as the reference does.

Read warm (all of it in the page cache), cold (the cache told to drop the files: posix_fadvise DONTNEED) and
from a store: moto's S3 server in a process of its own on this machine, each request delayed by --latency-ms,
about the first-byte time of a real one. Wall and CPU seconds (of this process) an example; ratios of both.
Blocks are timed warm over whole pools; otherwise from the start, what is read ahead and not used included.
Files are read for a fifth of the examples (from the store a tenth): they are slow, and all alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.codec_speed import built, step_seconds
from manifests.dataset.clip_audio import decode_flac
from manifests.dataset.layout import Layout
from manifests.dataset.storage import location, read_range
from manifests.splits.seeds import permutation, stream
from manifests.types import ClipId
from train.config import load_config
from train.data.examples import EXAMPLE_KINDS, Clip, Example
from train.data.loader import Loader
from train.data.order import pools
from train.data.shards import Shards
from train.data.tables import Tables

ROOT = Path(__file__).parents[1]
AXES = ("timbre", "envelope", "phrase")
BUCKET = "loader"


class Files:
    """Examples by random access to single files."""

    def __init__(self, tables: Tables, folder: Path, threads: int, scan: bool) -> None:
        self.tables, self.folder, self.threads, self.scan = tables, folder, threads, scan
        rows = tables.rendered.read_clips("train").to_pylist()
        self.rows = {ClipId.parse(row["key"]): row for row in rows}
        self.ids = sorted(self.rows)
        self.columns = {axis: np.array([getattr(id, axis) for id in self.ids]) for axis in AXES}
        self.index: dict[tuple[str, ...], dict[tuple[int, ...], list[ClipId]]] = {}
        for axes in (("phrase",), ("timbre",), ("envelope",), ("phrase", "envelope"), ("phrase", "timbre"),
                     ("timbre", "envelope")):  # fmt: skip
            found: dict[tuple[int, ...], list[ClipId]] = defaultdict(list)
            for id in self.ids:
                found[tuple(getattr(id, axis) for axis in axes)].append(id)
            self.index[axes] = found

    def partner(self, target: ClipId, draws: np.random.Generator, *shared: str) -> ClipId:
        """A clip that shares exactly these ids with the target."""
        if self.scan:
            fits = np.ones(len(self.ids), dtype=bool)
            for axis in AXES:
                same = self.columns[axis] == getattr(target, axis)
                fits &= same if axis in shared else ~same
            places = np.flatnonzero(fits)
            return self.ids[int(places[int(draws.random() * len(places))])]
        near = self.index[shared][tuple(getattr(target, axis) for axis in shared)]
        while True:
            chosen = near[int(draws.random() * len(near))]
            if all(getattr(chosen, axis) != getattr(target, axis) for axis in AXES if axis not in shared):
                return chosen

    def clip(self, id: ClipId) -> Clip:
        path = self.folder / f"{id.key}.flac"
        data = read_range(path, 0, self.rows[id]["length"])
        audio = decode_flac(data, self.tables.frames, self.tables.rate, str(path))
        notes, envelope = self.tables.sounding(id.timbre, id.phrase), self.tables.envelopes[id.envelope]
        return Clip(id, audio, notes, envelope, self.rows[id]["gain"])

    def example(self, number: int) -> Example:
        target = self.ids[self.order[number % len(self.ids)]]
        draws = stream(1, "example", number)
        kind = EXAMPLE_KINDS[int(draws.random() * 4)]
        if kind == "reconstruction":
            chosen = [self.partner(target, draws, axis) for axis in ("phrase", "timbre", "envelope")]
        elif kind == "both":
            chosen = [
                self.partner(target, draws, "phrase"),
                self.partner(target, draws, "timbre", "envelope"),
            ]
        elif kind == "timbre":
            chosen = [
                self.partner(target, draws, "phrase", "envelope"),
                self.partner(target, draws, "timbre"),
            ]
        else:
            chosen = [
                self.partner(target, draws, "phrase", "timbre"),
                self.partner(target, draws, "envelope"),
            ]
        clips = [self.clip(id) for id in (target, *chosen)]
        return Example(kind, clips[0], clips[1], clips[2], clips[-1], number)

    def examples(self) -> Iterator[Example]:
        self.order = permutation(1, len(self.ids), "files")
        with ThreadPoolExecutor(self.threads) as pool:
            for first in range(0, 10**9, 64):
                yield from pool.map(self.example, range(first, first + 64))


def timed(make: Callable[[], Iterator[Example]], count: int, skip: int = 0) -> tuple[float, float]:
    """Wall and CPU seconds an example, from the first read on, or from when example number `skip` has come to
    when `count` more have."""
    stream = make()
    for _ in range(skip and skip + 1):
        next(stream)
    wall, cpu = time.perf_counter(), time.process_time()
    for example in islice(stream, count):
        assert example.target.audio.dtype == np.int16
    return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def drop(paths: list[Path]) -> None:
    """Has the page cache forget files."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def blocks(tables: Tables, threads: int, count: int) -> Callable[[], Iterator[Example]]:
    """Examples as `fit` draws them; the threads end with the stream."""

    def make() -> Iterator[Example]:
        with Loader(Shards(tables), EXAMPLE_KINDS, 1, 16, threads) as loader:
            yield from islice(loader, count)

    return make


def serve(port: int, latency_s: float) -> None:
    """A store whose every answer takes so long at least."""
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = DomainDispatcherApplication(create_backend_app)

    def slow(environ: dict[str, Any], start: Any) -> Any:
        if environ["REQUEST_METHOD"] == "GET":
            time.sleep(latency_s)
        return store(environ, start)

    run_simple("127.0.0.1", port, slow, threaded=True)


def write_files(tables: Tables, folder: Path) -> list[Path]:
    """Every train clip's FLAC bytes as a file."""
    layout, made = tables.rendered, []
    for row in layout.read_clips("train").select(["key", "shard", "offset", "length"]).to_pylist():
        path = folder / f"{row['key']}.flac"
        path.write_bytes(read_range(layout.inside(row["shard"]), row["offset"], row["length"]))
        made.append(path)
    return made


def line(what: str, ours: tuple[float, float], theirs: tuple[float, float]) -> None:
    sides = [
        f"{name} {wall * 1e3:7.2f} ms ({cpu * 1e3:5.2f} CPU)"
        for name, (wall, cpu) in (("blocks", ours), ("files", theirs))
    ]
    ratios = f"{theirs[0] / ours[0]:5.1f}x wall, {theirs[1] / ours[1]:5.1f}x CPU"
    print(f"  {what:28} {sides[0]}  {sides[1]}  {ratios}", flush=True)


def from_store(data: Path, folder: Path, threads: int, count: int, latency_ms: float) -> None:
    """The same from a store; `files` reads a tenth of the examples, it is that slow."""
    import s3fs

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port, latency_ms / 1e3))
    server.start()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    try:
        store = s3fs.S3FileSystem()
        for _ in range(100):
            try:
                store.mkdir(BUCKET)
                break
            except Exception:
                time.sleep(0.2)
        layout = Layout(data)
        parts = [p for p in data.iterdir() if p.suffix in (".json", ".parquet")]
        parts += [*data.glob("clips/**/*.parquet"), *data.glob("shards/train/*.tar")]
        for path in parts:
            store.pipe_file(f"{BUCKET}/set/{path.relative_to(data)}", path.read_bytes())
        wanted = count // 10
        tables = Tables.open(location(f"s3://{BUCKET}/set"))
        files = Files(Tables.open(layout.root), location(f"s3://{BUCKET}/files"), threads, scan=False)
        files.order = permutation(1, len(files.ids), "files")
        needed = {clip.id for n in range(wanted + 64) for clip in _needed(files, n)}
        for id in sorted(needed):
            path = folder / f"{id.key}.flac"
            store.pipe_file(f"{BUCKET}/files/{path.name}", path.read_bytes())
        ours = timed(blocks(tables, threads, count), count)
        theirs = timed(files.examples, wanted)
        line(f"store, {latency_ms:g} ms a request", ours, theirs)
    finally:
        server.terminate()
        server.join()


def _needed(files: Files, number: int) -> list[Clip]:
    """The clips of an example, their audio not read."""
    read = files.clip
    files.clip = lambda id: Clip(id, np.zeros(0, np.int16), (), files.tables.envelopes[0], 0.0)  # type: ignore[method-assign]
    example = files.example(number)
    files.clip = read  # type: ignore[method-assign]
    return [example.target, example.content, example.timbre, example.envelope]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--config", type=Path, action="append", help="the step to feed; repeat for several")
    asked = parser.parse_args()
    tables, count, threads = Tables.open(asked.data), asked.examples, asked.threads
    some = max(1, count // 5)
    shards = sorted((asked.data / "shards" / "train").glob("*.tar"))
    with tempfile.TemporaryDirectory(dir=asked.data.parent) as text:
        folder = Path(text)
        made = write_files(tables, folder)
        print(f"{len(made)} clips of {tables.frames / tables.rate:g} s, {threads} threads; an example takes:")
        ours = blocks(tables, threads, count)
        indexed, scanning = (Files(tables, folder, threads, scan) for scan in (False, True))
        for path in shards:
            path.read_bytes()
        # From the first example of the second pool to the first of the next epoch: whole pools, each made
        # ready while the one before is used.
        sizes = [block.clips for block in tables.blocks("train")]
        skip = sum(sizes[place] for place in pools(len(sizes), 16, 1, 0)[0])
        warm = timed(blocks(tables, threads, 10**9), sum(sizes) - skip, skip)
        line("warm, partners by an index", warm, timed(indexed.examples, some))
        line("warm, partners by a scan", warm, timed(scanning.examples, some))
        drop(shards)
        cold = timed(ours, count)
        drop(made)
        line("cold, partners by an index", cold, timed(indexed.examples, some))
        from_store(asked.data, folder, threads, count, asked.latency_ms)
    print(
        f"the loader alone gives {1 / warm[0]:,.0f} examples a second, warm; the steps to feed, on this CPU:"
    )
    for path in asked.config or [ROOT / "configs" / "train" / "demo.yaml"]:
        config = load_config(path)
        system = built(config, tables, torch.device("cpu"))
        with Loader(Shards(tables), system.kinds, 1, 16, threads) as loader:
            examples = list(islice(loader, config.batch))
        classes = {timbre: place for place, timbre in enumerate(tables.train_timbres)}
        start = time.perf_counter()
        for _ in range(5):
            batch = system.collate(examples, classes)
        collate = 5 * config.batch / (time.perf_counter() - start)
        step = config.batch / step_seconds(system, batch, False, 2)["step"]
        print(
            f"  {path.stem}: a step takes {step:,.1f} examples a second, the loader gives"
            f" {1 / warm[0] / step:,.0f} times that; one thread collates {collate:,.0f} a second"
        )


if __name__ == "__main__":
    main()
