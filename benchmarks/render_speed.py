"""Measures the renderer against a plain DawDreamer loop and against FLAC encoding alone.

    .venv/bin/python -m benchmarks.render_speed [--shaping plugin] [--timbres 8 --envelopes 32 --phrases 32]

All three make clips of amsynth on one core, in turns. Their CPU time is compared, child processes included,
which other load on the machine changes little:

- renderer: `python -m render make` with one worker: hosts, tones, composing, FLAC, hashes, tars and tables;
- FLAC encoding: encodes clips of that run from memory;
- plain loop: one engine, each preset loaded once. It renders each clip for the clip's length, averages the
  channels and writes a FLAC file, without isolation, tables or hashes. With `--shaping plugin` it also sets
  the envelope. It is timed on a sample of clips.

Last, the renderer runs again with a profiler on its parts (`helpers/timed_render.py`).
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import yaml

PLUGIN = "/usr/lib/vst/amsynth_vst.so"
FAMILY = {
    "attack_ms": [10, 100],
    "hold_ms": [0, 100],
    "decay_ms": [50, 300],
    "sustain": [0, 0.8],
    "release_ms": [30, 300],
}


def dataset_config(shaping: str, timbres: int, envelopes: int, phrases: int) -> dict[str, object]:
    """Returns a config of one synth. It accepts presets with any level variation, so that none is rejected.

    With `shaping: plugin` a block holds 32 clips of a timbre, which are one group. Hold is 0, as amsynth has
    none.
    """
    return {
        "name": "speed",
        "seed": 1,
        "shaping": shaping,
        "timbres": [{"synth": "amsynth", "count": timbres}],
        "tones": {"max_level_variation_db": 60, "require_pitched": False},
        "envelopes": {
            "all": {"count": envelopes, **FAMILY, **({"hold_ms": 0} if shaping == "plugin" else {})}
        },
        "phrases": {"generated": {"count": phrases}},
        "blocks": {"phrases": 8 if shaping == "plugin" else 4},
    }


def children_cpu_s() -> float:
    """Returns the CPU seconds of all child processes that have ended, including their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def render_cpu_s(root: Path, dataset: Path) -> float:
    """Renders `root/config.yaml` to `dataset` with one worker. Returns CPU seconds."""
    before = children_cpu_s()
    subprocess.run(
        [sys.executable, "-m", "render", "make", root / "config.yaml", "--out", dataset],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return children_cpu_s() - before


def profile_render(root: Path) -> dict[str, Any]:
    """Runs `benchmarks.helpers.timed_render` on `root/config.yaml` and returns its JSON."""
    completed = subprocess.run(
        [sys.executable, "-m", "benchmarks.helpers.timed_render", root / "config.yaml", root / "timed"],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    figures: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
    return figures


def flac_ms(dataset: Path, count: int) -> float:
    """Encodes about `count` clips, evenly spread over the dataset. Returns CPU milliseconds a clip."""
    from render.clips.clips import encode_flac

    clips: list[Any] = []
    rows = pd.concat(pd.read_parquet(path) for path in sorted((dataset / "clips").glob("*/*.parquet")))
    for row in rows.iloc[:: max(1, len(rows) // count)].itertuples():
        with (dataset / row.shard).open("rb") as tar:
            tar.seek(row.offset)
            clips.append(soundfile.read(io.BytesIO(tar.read(row.length)), dtype="int16")[0])
    start = time.process_time()
    for clip in clips:
        encode_flac(clip, 44_100, 5)
    return (time.process_time() - start) / len(clips) * 1e3


def dawdreamer_loop_ms(dataset: Path, shaping: str, per_timbre: int) -> tuple[float, float]:
    """Renders `per_timbre` clips of each timbre of `dataset` with a plain DawDreamer loop in this process.

    With `shaping: plugin` it sets each clip's envelope first. Returns CPU milliseconds a clip of the engine
    and of writing FLAC.
    """
    import dawdreamer

    from manifests.dataset.rows import envelope_of
    from presets.synths.synth import open_synth

    timbres = pd.read_parquet(dataset / "timbres.parquet")
    phrases = pd.read_parquet(dataset / "phrases.parquet")["notes"].to_list()
    envelopes = [
        envelope_of(row) for row in pd.read_parquet(dataset / "envelopes.parquet").to_dict("records")
    ]
    profile = open_synth("amsynth").profile
    assert profile.envelope is not None
    engine = dawdreamer.RenderEngine(44_100, 512)
    synth = engine.make_plugin_processor("synth", PLUGIN)
    engine.load_graph([(synth, [])])
    index = {p["name"]: p["index"] for p in synth.get_parameters_description()}
    cpu_s = {"engine": 0.0, "flac": 0.0}
    count = 0
    for row in timbres.itertuples():
        for name, value in profile.host_values(dict(row.parameters)).items():
            synth.set_parameter(index[name], value)
        for place in range(per_timbre):
            notes = phrases[place % len(phrases)]
            start = time.process_time()
            if shaping == "plugin":
                shape = profile.envelope.parameter_values(
                    envelopes[place % len(envelopes)], profile.parameters
                )
                for name, value in profile.host_values(shape).items():
                    synth.set_parameter(index[name], value)
            synth.clear_midi()
            for note in notes:
                synth.add_midi_note(note["pitch"], note["velocity"], note["onset"], note["duration"])
            engine.render(3.0)
            audio = engine.get_audio().mean(axis=0)
            middle = time.process_time()
            peak = float(np.abs(audio).max()) or 1.0
            pcm = np.rint(audio * (29204 / peak)).astype(np.int16)
            soundfile.write(dataset / "clip.flac", pcm, 44_100, subtype="PCM_16", compression_level=5 / 8)
            cpu_s["engine"] += middle - start
            cpu_s["flac"] += time.process_time() - middle
            count += 1
    return cpu_s["engine"] / count * 1e3, cpu_s["flac"] / count * 1e3


def main() -> None:
    """Runs all three in turns and prints CPU milliseconds a clip, their ratios and the renderer's profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--shaping", choices=["renderer", "plugin"], default="renderer", help="what shapes the envelopes"
    )
    for name, default in (("timbres", "8 or 4"), ("envelopes", "32 or 20"), ("phrases", "32 or 20")):
        parser.add_argument(f"--{name}", type=int, help=f"number of {name} (default {default}, by --shaping)")
    parser.add_argument("--per-timbre", type=int, default=40, help="clips of each timbre in the plain loop")
    parser.add_argument("--rounds", type=int, default=2, help="rounds to average")
    args = parser.parse_args()
    defaults = (8, 32, 32) if args.shaping == "renderer" else (4, 20, 20)
    given = (args.timbres, args.envelopes, args.phrases)
    sizes = [size or default for size, default in zip(given, defaults, strict=True)]
    seconds: list[float] = []
    loops: list[tuple[float, float]] = []
    encoding: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config.yaml").write_text(yaml.safe_dump(dataset_config(args.shaping, *sizes)))
        for turn in range(args.rounds):
            dataset = root / f"dataset-{turn}"
            seconds.append(render_cpu_s(root, dataset))
            loops.append(dawdreamer_loop_ms(dataset, args.shaping, args.per_timbre))
            encoding.append(flac_ms(dataset, 500))
        clips = int(pd.read_parquet(dataset / "shards.parquet")["clips"].sum())
        parts = profile_render(root)
    renderer, flac = float(np.mean(seconds)) / clips * 1e3, float(np.mean(encoding))
    engine, file = (float(value) for value in np.mean(loops, axis=0))
    print(f"shaping: {args.shaping}, {' x '.join(map(str, sizes))}: {clips} clips of 3 s, CPU ms a clip")
    print(f"  renderer                    {renderer:7.2f}   ({3000 / renderer:.0f} x real time)")
    loop = engine + file
    print(f"  plain DawDreamer loop       {loop:7.2f}   ({loop / renderer:.2f} x the renderer's time)")
    print(f"    of it the engine          {engine:7.2f}   ({engine / renderer:.2f} x the renderer's time)")
    print(f"  FLAC encoding alone         {flac:7.2f}   (the renderer takes {renderer / flac:.2f} x that)")
    print("parts of the renderer, ms a clip and share (measured in a separate run):")
    total = sum(parts["cpu_s"].values())
    for name, cpu_s in sorted(parts["cpu_s"].items(), key=lambda part: -part[1]):
        print(f"  {name:27s} {cpu_s / clips * 1e3:7.3f}   {cpu_s / total:6.1%}")
    print("the worker's memory at every 1,000th clip, MiB:", *(f"{mib:.0f}" for mib in parts["rss_mib"]))


if __name__ == "__main__":
    main()
