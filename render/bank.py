"""Writes a dataset's tone sets as a tone bank (see `manifests.dataset.bank`), shard by shard.

As with clips, a shard is written aside, linked into place, and committed by its table. A run can be killed,
repeated, or started twice; the bytes do not depend on it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from manifests.cli import console as terminal
from manifests.dataset import bank as banks
from manifests.dataset import files
from manifests.dataset.bank import Bank
from manifests.dataset.bank_card import bank_card
from manifests.dataset.canonical import canonical_json, differences, sha256_file, sha256_json
from manifests.dataset.layout import table_bytes, to_table, write_table
from manifests.dataset.schema import SCHEMA_VERSION
from manifests.listing import visible
from manifests.types import InputError
from midi.spec import SCALES
from presets.tones.loops import add_loops
from render.clips.dataset import PlannedDataset
from render.clips.shard import HEADER, TAR_MTIME, TAR_OWNER, HashingWriter, tar_writer
from render.execution.executors import Executor, TaskQueue
from render.execution.run import cast_first
from render.execution.scratch import clear_dead, scratch_folder
from render.execution.tasks import DatasetRef, run_task
from render.planning.product import as_planned

PER_SHARD = 16
"""Timbres per shard: about 0.1 GB."""


@dataclass(frozen=True, slots=True)
class ToneShard:
    """A planned shard of a bank: its place, and its timbres, which are all of one side."""

    bank: Path
    fingerprint: str
    every: int
    shard: str
    side: str
    timbres: tuple[int, ...]


def make_bank(root: Path, out: Path, every: int, console: Console, executor: Executor) -> int:
    """Writes the missing shards of the bank at `out`; returns their number.

    `root` is a planned dataset; its timbres are cast first if no run has done so. `every` keeps each N-th
    semitone. Raises InputError if `out` holds anything else, or if the dataset has `shaping: plugin`.
    Raises MachineFault if this machine cannot make the tones.
    """
    dataset = PlannedDataset(root.absolute())
    if dataset.config.shaping == "plugin":
        raise InputError(
            f"{root}: shaping: plugin: its clips are played by the synths, not composed of tones;"
            " a bank needs a plan with shaping: renderer"
        )
    dataset.check_machine()
    clear_dead(dataset.layout.work)
    queue = TaskQueue(executor, lambda line: console.print(f"note: {line}"))
    ref = DatasetRef(dataset.root, str(dataset.metadata["fingerprint"]))
    dataset = cast_first(dataset, ref, queue, console)
    bank = Bank(out.absolute())
    metadata = describe(dataset, every)
    begin(bank, metadata)
    planned = cut_shards(bank.root, metadata["fingerprint"], every, list(dataset.timbres.values()))
    done = bank.committed()
    missing = [job for job in planned if job.shard not in done]
    with terminal.progress(console) as progress:
        task = progress.add_task("bank  ", total=sum(len(job.timbres) for job in missing), rate="")
        for place, _ in queue.results(make_shard, ref, missing):
            terminal.advance(progress, task, len(missing[place].timbres), "timbres")
    if missing or not bank.table("tone_shards").exists():
        finish(dataset, bank, planned)
    return len(missing)


def describe(dataset: PlannedDataset, every: int) -> dict[str, Any]:
    """Returns the bank.json of a dataset's bank, a function of the dataset's plan and `every`."""
    config, spec = dataset.config, dataset.clip_spec
    clip = {
        "rate": spec.rate,
        "frames": spec.frames,
        "peak": spec.peak,
        "cut_fade_ms": spec.cut_fade_ms,
        "block": [config.blocks.timbres, config.blocks.phrases, config.blocks.envelopes],
    }
    generated = config.phrases.generated
    fresh = {
        "seconds": config.clip.seconds,
        "envelopes": {name: of.model_dump(mode="json") for name, of in sorted(config.envelopes.items())},
        "phrases": None
        if generated is None
        else {
            **generated.generate.model_dump(mode="json"),
            "scales": [list(SCALES[name]) for name in generated.generate.scales],
            "longest_settle_ms": config.longest_settle_ms(),
            "longest_release_ms": config.longest_release_ms(),
        },
    }
    of = banks.fingerprint_of(str(dataset.metadata["fingerprint"]), every, clip, fresh)
    return {
        "schema": SCHEMA_VERSION,
        "name": dataset.metadata["name"],
        "seed": dataset.metadata["seed"],
        "fingerprint": sha256_json(of),
        "fingerprint_of": of,
    }


def begin(bank: Bank, metadata: dict[str, Any]) -> None:
    """Writes bank.json; raises InputError if the folder holds another bank or something else."""
    if bank.json.exists():
        present = bank.metadata()
        if lines := differences(metadata["fingerprint_of"], present["fingerprint_of"]):
            raise InputError(
                f"{bank.root}: holds another bank (asked for != there): {'; '.join(lines[:3])}; use another"
                " --out, or remove it"
            )
        return
    foreign = visible(path.name for path in bank.root.iterdir()) if bank.root.is_dir() else []
    if bank.root.exists() and (foreign or not bank.root.is_dir()):
        raise InputError(f"{bank.root}: is not empty and holds no bank; use another --out")
    bank.root.mkdir(parents=True, exist_ok=True)
    files.replace(bank.json, f"{json.dumps(metadata, indent=2, sort_keys=True)}\n".encode())


def cut_shards(
    root: Path, fingerprint: str, every: int, timbres: Sequence[dict[str, Any]]
) -> list[ToneShard]:
    """Cuts a bank into shards: the timbres of each side in order of their ids, `PER_SHARD` per shard."""
    jobs: list[ToneShard] = []
    for side in ("train", "test", "synth"):
        ids = [row["timbre"] for row in timbres if row["side"] == side]
        for start in range(0, len(ids), PER_SHARD):
            shard = f"shard-{len(jobs):06d}.tar"
            jobs.append(ToneShard(root, fingerprint, every, shard, side, tuple(ids[start:][:PER_SHARD])))
    return jobs


def make_shard(ref: DatasetRef, job: ToneShard) -> Any:
    """Packs and commits one shard of tones; returns a TaskFault or TaskRefusal if this machine cannot."""
    return run_task(ref, job.shard, lambda dataset: write_shard(dataset, job))


def write_shard(dataset: PlannedDataset, job: ToneShard) -> bool:
    """Writes and commits one shard; returns False if another process committed it meanwhile."""
    bank = Bank(job.bank)
    final, table_path = bank.inside(job.shard), bank.tone_table(job.shard)
    with (
        scratch_folder(bank.work) as scratch,
        files.temporary(scratch, final.name) as tar,
        files.temporary(scratch, table_path.name) as table_file,
    ):
        rows, digest, size = pack(dataset, job, tar)
        note = {
            "fingerprint": job.fingerprint,
            "shard": job.shard,
            "side": job.side,
            "sha256": digest,
            "bytes": size,
            "timbres": list(job.timbres),
        }
        table = to_table("tones", rows, {"triptych_bank": canonical_json(note).decode()})
        table_file.write_bytes(table_bytes(table))
        if table_path.exists():
            return False
        if not files.create_once(tar, final) and not table_path.exists() and sha256_file(final) != digest:
            # No table commits the other tar, and it differs from ours: it is not part of the bank.
            files.supersede(tar, final)
        return files.create_once(table_file, table_path)


def pack(dataset: PlannedDataset, job: ToneShard, target: Path) -> tuple[list[dict[str, Any]], str, int]:
    """Writes a shard's tones to the tar `target`; returns their rows, the tar's SHA-256 and size in bytes."""
    rows: list[dict[str, Any]] = []
    with target.open("wb", buffering=0) as file:
        hashing = HashingWriter(file)
        with (
            io.BufferedWriter(hashing, 1 << 20) as buffered,
            tar_writer()(
                buffered, encoder=False, mtime=TAR_MTIME, user=TAR_OWNER, group=TAR_OWNER, compress=False
            ) as tar,
        ):
            for timbre in job.timbres:
                array, own = tone_rows(dataset, timbre, job)
                about = canonical_json(
                    {"timbre": timbre, "name": dataset.timbres[timbre]["name"], "tones": own}
                )
                begins = tar.tarstream.offset + HEADER
                data, header = _npy(array)
                # TarWriter stores a sample's files in order of their extension: json, then npy.
                begins += -(-len(about) // HEADER) * HEADER + HEADER + header
                tar.write({"__key__": f"t{timbre:05d}", "json": about, "npy": data})
                for place, row in enumerate(own):
                    offset = begins + place * 2 * array.shape[1]
                    rows.append({**row, "timbre": timbre, "shard": job.shard, "offset": offset})
    return rows, hashing.sha256.hexdigest(), hashing.bytes


def tone_rows(
    dataset: PlannedDataset, timbre: int, job: ToneShard
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Returns a timbre's looped tones, int16 [tones, frames], and a row about each tone."""
    tones = dataset.tone_set(timbre).by_pitch()
    pitches = banks.kept_pitches(min(tones), max(tones), job.every)
    longer, starts = add_loops(np.stack([tones[pitch][0] for pitch in pitches]), dataset.clip_spec.rate)
    rows = [
        {
            "pitch": pitch,
            "frames": longer.shape[1],
            "rate": dataset.clip_spec.rate,
            "scale": tones[pitch][1],
            "loop_start": int(start),
            "loop_end": longer.shape[1],
            "sha256": sha256(np.ascontiguousarray(tone, dtype="<i2").data).hexdigest(),
        }
        for pitch, tone, start in zip(pitches, longer, starts, strict=True)
    ]
    return longer, rows


def _npy(array: np.ndarray) -> tuple[bytes, int]:
    """Returns an array's .npy file as bytes, and the offset of its samples in them."""
    sink = io.BytesIO()
    np.save(sink, np.ascontiguousarray(array, dtype="<i2"), allow_pickle=False)
    data = sink.getvalue()
    return data, len(data) - array.nbytes


def finish(dataset: PlannedDataset, bank: Bank, planned: Sequence[ToneShard]) -> None:
    """Writes the dataset's tables, the card, and tone_shards.parquet, which marks the bank as complete."""
    for name in ("timbres", "envelopes", "phrases"):
        files.replace(bank.table(name), dataset.layout.table(name).read_bytes())
    write_table(bank.table("blocks"), as_planned(dataset.blocks))
    rows = []
    for job in planned:
        table = bank.tones(job.shard)
        note = json.loads(table.schema.metadata[b"triptych_bank"])
        rows.append(
            {
                **{name: note[name] for name in ("shard", "side", "sha256", "bytes", "timbres")},
                "tones": table.num_rows,
                "table_sha256": sha256_file(bank.tone_table(job.shard)),
            }
        )
    text = bank_card(bank.metadata(), rows, list(dataset.timbres.values()))
    files.replace(bank.card, text.encode())
    write_table(bank.table("tone_shards"), to_table("tone_shards", rows))
