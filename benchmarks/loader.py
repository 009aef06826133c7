"""Measures the loader against random access to single files, and against the training step that it feeds.

    .venv/bin/python -m benchmarks.loader DATASET [--examples 3000] [--latency-ms 20] [--config CONFIG]

Both sides read the same clips, give the same kinds of examples (int16 audio and notes) and use as many
threads:

- blocks: `train.data.loader.Loader` makes one range read for each block and decodes each clip once;
- files: each clip is a .flac file. Each example opens and decodes its target and its partners from the whole
  split. An index finds the partners, which favours this side; or a scan of the split's rows does, as in
  SynthCloner.

The clips are read from three places:

- warm: from the page cache;
- cold: from disk, after `posix_fadvise(DONTNEED)` on all files;
- store: from moto's S3 server on this machine, where --latency-ms stands for the time to first byte.

It prints wall and CPU milliseconds of this process an example, and ratios. Warm blocks are timed over whole
pools. Other timings begin with the first read and include what is read ahead and not used. The files' side
reads a fifth of the examples (a tenth from the store), because it is slow and its examples cost the same.
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

from benchmarks.codec_speed import examples_per_second
from manifests.dataset.clip_audio import decode_flac
from manifests.dataset.layout import Layout
from manifests.dataset.storage import location, read_range
from manifests.splits.seeds import permutation, stream
from manifests.types import ClipId
from train.config import load_config
from train.data.examples import EXAMPLE_KINDS, Clip, Example
from train.data.loader import Loader
from train.data.order import pools
from train.data.shards import ShardSource
from train.data.tables import Tables

ROOT = Path(__file__).parents[1]
AXES = ("timbre", "envelope", "phrase")
PARTNER_AXES = {
    "reconstruction": (("phrase",), ("timbre",), ("envelope",)),
    "both": (("phrase",), ("timbre", "envelope")),
    "timbre": (("phrase", "envelope"), ("timbre",)),
    "envelope": (("phrase", "timbre"), ("envelope",)),
}
"""By kind of example, the ids that each partner shares with the target."""
BUCKET = "loader"


class FileExamples:
    """Draws examples by random access to single files `folder/KEY.flac`.

    `scan` finds partners by a scan of the split's rows; otherwise an index does.
    """

    def __init__(self, tables: Tables, folder: Path, threads: int, scan: bool) -> None:
        self.tables, self.folder, self.threads, self.scan = tables, folder, threads, scan
        rows = tables.rendered.read_clips("train").to_pylist()
        self.rows = {ClipId.parse(row["key"]): row for row in rows}
        self.ids = sorted(self.rows)
        self.columns = {axis: np.array([getattr(id, axis) for id in self.ids]) for axis in AXES}
        self.index: dict[tuple[str, ...], dict[tuple[int, ...], list[ClipId]]] = {}
        for axes in {axes for partners in PARTNER_AXES.values() for axes in partners}:
            by_ids: dict[tuple[int, ...], list[ClipId]] = defaultdict(list)
            for id in self.ids:
                by_ids[tuple(getattr(id, axis) for axis in axes)].append(id)
            self.index[axes] = by_ids

    def draw_partner(self, target: ClipId, draws: np.random.Generator, *shared: str) -> ClipId:
        """Draws a clip that shares exactly the ids of the axes `shared` with the target."""
        if self.scan:
            matches = np.ones(len(self.ids), dtype=bool)
            for axis in AXES:
                same = self.columns[axis] == getattr(target, axis)
                matches &= same if axis in shared else ~same
            rows = np.flatnonzero(matches)
            return self.ids[int(rows[int(draws.random() * len(rows))])]
        candidates = self.index[shared][tuple(getattr(target, axis) for axis in shared)]
        while True:
            chosen = candidates[int(draws.random() * len(candidates))]
            if all(getattr(chosen, axis) != getattr(target, axis) for axis in AXES if axis not in shared):
                return chosen

    def read_clip(self, id: ClipId) -> Clip:
        """Reads and decodes one file."""
        path = self.folder / f"{id.key}.flac"
        data = read_range(path, 0, self.rows[id]["length"])
        audio = decode_flac(data, self.tables.frames, self.tables.rate, str(path))
        notes, envelope = self.tables.sounding_notes(id.timbre, id.phrase), self.tables.envelopes[id.envelope]
        return Clip(id, audio, notes, envelope, self.rows[id]["gain"])

    def draw_example(self, number: int) -> Example:
        """Draws the kind and the partners of example `number`, and reads its clips."""
        target = self.ids[self.order[number % len(self.ids)]]
        draws = stream(1, "example", number)
        kind = EXAMPLE_KINDS[int(draws.random() * 4)]
        chosen = [self.draw_partner(target, draws, *axes) for axes in PARTNER_AXES[kind]]
        clips = [self.read_clip(id) for id in (target, *chosen)]
        return Example(kind, clips[0], clips[1], clips[2], clips[-1], number)

    def examples(self) -> Iterator[Example]:
        """Yields examples without end; `threads` threads read them."""
        self.order = permutation(1, len(self.ids), "files")
        with ThreadPoolExecutor(self.threads) as pool:
            for first in range(0, 10**9, 64):
                yield from pool.map(self.draw_example, range(first, first + 64))


def seconds_per_example(
    make: Callable[[], Iterator[Example]], count: int, skip: int = 0
) -> tuple[float, float]:
    """Times `count` examples of the stream that `make` opens. Returns wall and CPU seconds an example.

    Timing begins before the first read, or with `skip` once `skip` + 1 examples are drawn.
    """
    stream = make()
    for _ in range(skip and skip + 1):
        next(stream)
    wall, cpu = time.perf_counter(), time.process_time()
    for example in islice(stream, count):
        assert example.target.audio.dtype == np.int16
    return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def drop_from_page_cache(paths: list[Path]) -> None:
    """Removes files from the page cache."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def block_examples(tables: Tables, threads: int, count: int) -> Callable[[], Iterator[Example]]:
    """Returns a function that opens a stream of `count` examples as `fit` draws them.

    Its threads end with it.
    """

    def make() -> Iterator[Example]:
        with Loader(ShardSource(tables), EXAMPLE_KINDS, 1, 16, threads) as loader:
            yield from islice(loader, count)

    return make


def serve_s3(port: int, latency_s: float) -> None:
    """Runs moto's S3 server on a port; each GET request takes at least `latency_s`."""
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
    """Writes each clip of the train split to `folder/KEY.flac`. Returns the files."""
    layout, paths = tables.rendered, []
    for row in layout.read_clips("train").select(["key", "shard", "offset", "length"]).to_pylist():
        path = folder / f"{row['key']}.flac"
        path.write_bytes(read_range(layout.inside(row["shard"]), row["offset"], row["length"]))
        paths.append(path)
    return paths


def print_row(title: str, blocks: tuple[float, float], files: tuple[float, float]) -> None:
    """Prints wall and CPU seconds an example of both sides, in milliseconds, and their ratios."""
    sides = [
        f"{name} {wall * 1e3:7.2f} ms ({cpu * 1e3:5.2f} CPU)"
        for name, (wall, cpu) in (("blocks", blocks), ("files", files))
    ]
    ratios = f"{files[0] / blocks[0]:5.1f}x wall, {files[1] / blocks[1]:5.1f}x CPU"
    print(f"  {title:28} {sides[0]}  {sides[1]}  {ratios}", flush=True)


def compare_over_store(data: Path, folder: Path, threads: int, count: int, latency_ms: float) -> None:
    """Compares both sides over an S3 store and prints the row.

    The files' side reads a tenth of the examples.
    """
    import s3fs

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = multiprocessing.get_context("spawn").Process(target=serve_s3, args=(port, latency_ms / 1e3))
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
        files = FileExamples(Tables.open(layout.root), location(f"s3://{BUCKET}/files"), threads, scan=False)
        files.order = permutation(1, len(files.ids), "files")
        needed = {clip.id for n in range(wanted + 64) for clip in _clips_without_audio(files, n)}
        for id in sorted(needed):
            path = folder / f"{id.key}.flac"
            store.pipe_file(f"{BUCKET}/files/{path.name}", path.read_bytes())
        blocks_s = seconds_per_example(block_examples(tables, threads, count), count)
        files_s = seconds_per_example(files.examples, wanted)
        print_row(f"store, {latency_ms:g} ms a request", blocks_s, files_s)
    finally:
        server.terminate()
        server.join()


def _clips_without_audio(files: FileExamples, number: int) -> list[Clip]:
    """Returns the clips of an example without reading their audio."""
    read = files.read_clip
    files.read_clip = lambda id: Clip(id, np.zeros(0, np.int16), (), files.tables.envelopes[0], 0.0)  # type: ignore[method-assign]
    example = files.draw_example(number)
    files.read_clip = read  # type: ignore[method-assign]
    return [example.target, example.content, example.timbre, example.envelope]


def main() -> None:
    """Prints a row for each place, then how many times faster the loader is than a training step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATASET", help="folder of a rendered dataset")
    parser.add_argument("--examples", type=int, default=3000, help="examples to read from blocks")
    parser.add_argument("--threads", type=int, default=2, help="threads that read and decode")
    parser.add_argument("--latency-ms", type=float, default=20.0, help="delay of each request to the store")
    parser.add_argument(
        "--config", type=Path, action="append", help="config of a training step to time; repeatable"
    )
    args = parser.parse_args()
    tables, count, threads = Tables.open(args.data), args.examples, args.threads
    file_count = max(1, count // 5)
    shards = sorted((args.data / "shards" / "train").glob("*.tar"))
    with tempfile.TemporaryDirectory(dir=args.data.parent) as name:
        folder = Path(name)
        paths = write_files(tables, folder)
        print(
            f"{len(paths)} clips of {tables.frames / tables.rate:g} s, {threads} threads; an example takes:"
        )
        indexed, scanning = (FileExamples(tables, folder, threads, scan) for scan in (False, True))
        for path in shards:
            path.read_bytes()
        # Timing runs from the first example of the second pool to the first of the next epoch. So it covers
        # whole pools, and each is decoded while the previous one is used.
        sizes = [block.clips for block in tables.blocks("train")]
        skip = sum(sizes[place] for place in pools(len(sizes), 16, 1, 0)[0])
        warm = seconds_per_example(block_examples(tables, threads, 10**9), sum(sizes) - skip, skip)
        print_row("warm, partners by an index", warm, seconds_per_example(indexed.examples, file_count))
        print_row("warm, partners by a scan", warm, seconds_per_example(scanning.examples, file_count))
        drop_from_page_cache(shards)
        cold = seconds_per_example(block_examples(tables, threads, count), count)
        drop_from_page_cache(paths)
        print_row("cold, partners by an index", cold, seconds_per_example(indexed.examples, file_count))
        compare_over_store(args.data, folder, threads, count, args.latency_ms)
    print(f"the loader delivers {1 / warm[0]:,.0f} examples a second, warm; training steps on this CPU:")
    for path in args.config or [ROOT / "configs" / "train" / "demo.yaml"]:
        step, collate = examples_per_second(load_config(path), tables, threads)
        print(
            f"  {path.stem}: a step consumes {step:,.1f} examples a second, the loader delivers"
            f" {1 / warm[0] / step:,.0f} times that; one thread collates {collate:,.0f} a second"
        )


if __name__ == "__main__":
    main()
