"""Measures the audit and a query of manifests with millions of rows.

    .venv/bin/python -m benchmarks.audit_scale --out DIR

It plans a dataset with the renderer's own code and writes all its tables, but no audio. Offsets, hashes and
levels are synthetic and consistent. Then it runs `manifests audit --no-audio`, the same with `--html`, and
`manifests query`, each in its own process. It prints their seconds, CPU seconds and peak memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.dataset import files
from manifests.dataset.canonical import canonical_json
from manifests.dataset.card import card_of
from manifests.dataset.layout import Layout, table_bytes, to_table, write_table
from manifests.dataset.rows import envelope_of, notes_of
from manifests.dataset.schema import schema
from manifests.splits.splits import assign_sides
from manifests.synthesis.compose import peak_value, to_samples
from manifests.types import ENVELOPE_FIELDS
from render.clips.clips import ClipSpec, observability
from render.config import Config, parse
from render.planning.plan import make_plan, write_plan
from render.planning.product import cut_blocks

FLAC_BYTES = 120_000
CLIP_BYTES_IN_TAR = 512 + -(-FLAC_BYTES // 512) * 512 + 512 + 1024
"""Bytes of a clip's two tar members:

a header of 512 and the padded FLAC, a header of 512 and the padded JSON.
"""


def dataset_config(timbres: int, envelopes: int, phrases: int) -> Config:
    """Returns a config with two envelope families and generated phrases, as in the SynthCAT dataset."""
    family = {"hold_ms": [0, 20], "attack_ms": [10, 50], "decay_ms": [50, 200], "release_ms": [30, 120]}
    return parse(
        {
            "name": "audit-scale",
            "seed": 11,
            "timbres": [{"synth": "builtin", "count": timbres}],
            "envelopes": {
                "pluck": {"count": envelopes // 2, "sustain": [0, 0.2], **family},
                "lead": {"count": envelopes - envelopes // 2, "sustain": [0.4, 0.8], **family},
            },
            "phrases": {"generated": {"count": phrases}},
        },
        "benchmark",
    )


def fake_sha256(*parts: object) -> str:
    """Returns a SHA-256 as hex digits that depends on `parts` only."""
    return sha256(repr(parts).encode()).hexdigest()


def synthetic_timbre_rows(config: Config) -> list[dict[str, Any]]:
    """Returns rows of synthetic timbres, all different, with sides drawn as the renderer draws them."""
    count = sum(timbres.count for timbres in config.timbres)
    sides = assign_sides(list(range(count)), config.splits.test_timbres, config.seed, "timbre")
    draw = np.random.Generator(np.random.PCG64(3))
    return [
        {
            "timbre": i, "name": f"synthetic {i}", "synth": "builtin", "preset": f"synthetic/{i}",
            "bank_sha256": fake_sha256("bank"), "plugin_sha256": fake_sha256("plugin"),
            "parameters": {"cutoff": float(draw.random())}, "state": None, "deterministic": True,
            "group": fake_sha256("group", i), "tones_sha256": fake_sha256("tones", i), "lowest_pitch": 48,
            "highest_pitch": 79, "octave": int(draw.integers(-1, 2)), "pitch_confidence": 1.0,
            "level_variation_db": 0.2 * float(draw.random()),
            "fingerprint": (-60.0 * draw.random(120)).astype(np.float32).tolist(),
            "cluster": i, "side": sides[i], "generation": 0,
        }
        for i in range(count)
    ]  # fmt: skip


def clip_table(
    rows: list[dict[str, Any]], lookup: dict[str, Any], spec: ClipSpec
) -> tuple[pa.Table, list[Any]]:
    """Builds the clip table of one shard as the renderer writes it.

    `rows` are the shard's rows of the block table. Returns the table and `[block, offset, bytes]` of each
    block.
    """
    shard, split = rows[0]["shard"], rows[0]["split"]
    grids = [np.meshgrid(r["block"], r["timbres"], r["phrases"], r["envelopes"], indexing="ij") for r in rows]
    cells = np.concatenate([np.stack([axis.ravel() for axis in grid], axis=1) for grid in grids])
    block, timbre, phrase, envelope = cells.T
    count = len(cells)
    draw = np.random.Generator(np.random.PCG64([17, *divmod(int(block[0]), 1 << 16)]))
    extents, start = [], 0
    for row in rows:
        extents.append([row["block"], start, row["clips"] * CLIP_BYTES_IN_TAR])
        start += row["clips"] * CLIP_BYTES_IN_TAR
    reached, release_heard = lookup["observed"]
    raw = draw.bytes(32 * count).hex()
    columns: dict[str, Any] = {
        "key": [f"b{b:06d}_t{t:05d}_e{e:04d}_p{p:04d}" for b, t, p, e in cells.tolist()],
        "split": [split] * count,
        "shard": [shard] * count,
        "offset": np.arange(count, dtype=np.int64) * CLIP_BYTES_IN_TAR + 512,
        "length": np.full(count, FLAC_BYTES),
        "block": block, "timbre": timbre, "envelope": envelope, "phrase": phrase,
        **{name: lookup[name][envelope] for name in ENVELOPE_FIELDS},
        "sustain_reached": reached[envelope, phrase], "release_heard": release_heard[envelope, phrase],
        "octave": lookup["octave"][timbre],
        "frames": np.full(count, spec.frames), "rate": np.full(count, spec.rate),
        "cut_fade_ms": np.full(count, spec.cut_fade_ms), "gain": 1.0 + draw.random(count),
        "peak": np.full(count, spec.peak), "rms": 0.05 + 0.3 * draw.random(count),
        "pcm_sha256": [raw[64 * i : 64 * i + 64] for i in range(count)],
        "group": lookup["group"][timbre], "group_index": np.full(count, -1), "substitutes": [None] * count,
    }  # fmt: skip
    fields = schema("clips")
    return pa.table([pa.array(columns[f.name], f.type) for f in fields], schema=fields), extents


def write_tables(root: Path, timbres: int, envelopes: int, phrases: int) -> int:
    """Writes all tables of a dataset to the folder `root`. Returns the number of clips."""
    config = dataset_config(timbres, envelopes, phrases)
    planned = make_plan(config)
    write_plan(planned, root)
    layout = Layout(root)
    rows = synthetic_timbre_rows(config)
    blocks = cut_blocks(config, rows, planned.envelopes, planned.phrases).to_pylist()
    clip = config.clip
    frames, peak = to_samples(clip.seconds, clip.rate), peak_value(clip.peak_dbfs)
    spec = ClipSpec(clip.rate, frames, peak, clip.cut_fade_ms, config.flac_level)
    notes = [notes_of(row) for row in planned.phrases]
    observed = np.array([[observability(n, envelope_of(e), spec) for n in notes] for e in planned.envelopes])
    lookup: dict[str, Any] = {
        name: np.array([e[name] for e in planned.envelopes]) for name in ENVELOPE_FIELDS
    }
    lookup["observed"] = (observed[..., 0], observed[..., 1])
    lookup["octave"] = np.array([row["octave"] for row in rows])
    lookup["group"] = np.array([row["group"] for row in rows])
    of_shard: dict[str, list[dict[str, Any]]] = {}
    for row in blocks:
        of_shard.setdefault(row["shard"], []).append(row)
    shards = []
    for shard, members in of_shard.items():
        table, extents = clip_table(members, lookup, spec)
        for row, (_, offset, length) in zip(members, extents, strict=True):
            row["offset"], row["length"] = offset, length
        size = extents[-1][1] + extents[-1][2] + 1024
        tar = {
            "shard": shard,
            "sha256": fake_sha256("tar", shard),
            "bytes": size,
            "blocks": extents,
            "failures": [],
        }
        note = {"triptych_shard": canonical_json(tar).decode()}
        data = table_bytes(table.replace_schema_metadata({**(table.schema.metadata or {}), **note}))
        path = layout.clip_table(shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        shards.append(
            {
                "shard": shard, "split": members[0]["split"], "sha256": tar["sha256"], "bytes": size,
                "blocks": len(members), "clips": table.num_rows, "table_sha256": sha256(data).hexdigest(),
            }
        )  # fmt: skip
    for name, content in (("timbres", rows), ("blocks", blocks), ("shards", shards), ("failures", [])):
        write_table(layout.table(name), to_table(name, content))
    files.replace(layout.card, card_of(layout).encode())
    return sum(row["clips"] for row in shards)


CHILD_PROGRAM = """
import resource, runpy, sys
sys.argv = ["manifests", *sys.argv[1:]]
try:
    runpy.run_module("manifests", run_name="__main__")
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("used", used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, file=sys.stderr)
"""


def measure(*arguments: str) -> dict[str, Any]:
    """Runs a command of `manifests` in its own process.

    Returns `seconds` (wall), `cpu` (seconds), `peak_mb`, the exit status `code` and the standard output
    `out`.
    """
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD_PROGRAM, *arguments], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - begin
    cpu, peak = map(float, done.stderr.rsplit("used", 1)[1].split())
    return {"seconds": seconds, "cpu": cpu, "peak_mb": peak, "code": done.returncode, "out": done.stdout}


QUERY = (
    "SELECT split, synth, count(*) AS clips, avg(rms) AS rms FROM clips JOIN timbres USING (timbre)"
    " WHERE sustain > 0.4 GROUP BY ALL ORDER BY ALL"
)


def main() -> None:
    """Writes the tables unless they exist, and prints the measurements as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables")
    parser.add_argument("--timbres", type=int, default=250, help="number of timbres")
    parser.add_argument("--envelopes", type=int, default=120, help="number of envelopes")
    parser.add_argument("--phrases", type=int, default=112, help="number of phrases")
    args = parser.parse_args()
    if not Layout(args.out).table("shards").exists():
        begin = time.perf_counter()
        count = write_tables(args.out, args.timbres, args.envelopes, args.phrases)
        print(f"{count:,} rows planned and written in {time.perf_counter() - begin:.1f} s", flush=True)
    audit = measure("audit", str(args.out), "--no-audio", "--json")
    report = json.loads(audit["out"])
    html = args.out.parent / f"{args.out.name}.html"
    page = measure("audit", str(args.out), "--no-audio", "--json", "--html", str(html))
    query = measure("query", str(args.out), QUERY)
    print("| command | seconds | CPU seconds | peak MB | result |\n| --- | --- | --- | --- | --- |")
    for name, result, outcome in (
        ("audit of the tables", audit, f"{report['looked_at']['keys']}, {len(report['findings'])} findings"),
        ("audit with its HTML page", page, f"{html.stat().st_size / 1e6:.2f} MB of HTML"),
        ("query with a join and a group", query, f"exit {query['code']}"),
    ):
        took = f"{result['seconds']:.1f} | {result['cpu']:.1f} | {result['peak_mb']:.0f}"
        print(f"| {name} | {took} | {outcome} |")
    sys.exit(audit["code"] or page["code"] or query["code"])


if __name__ == "__main__":
    main()
