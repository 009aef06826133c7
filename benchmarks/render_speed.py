"""How fast the renderer is, beside a plain DawDreamer loop and beside FLAC encoding alone.

    .venv/bin/python -m benchmarks.render_speed [--shaping plugin] [--timbres 8 --envelopes 32 --phrases 32]

All make the same kind of clips of amsynth on one core, in turns, and are counted in CPU time of their own
processes (children included), so that a busy machine does not decide:

- ours: `python -m render make` with one worker: hosts, tones, composing, FLAC, hashes, tars and tables.
- flac: encoding the finished clips of our run from memory, and nothing else.
- plain: one engine, the preset loaded once a timbre, each clip (its envelope too, where the plugin
  shapes) rendered for its own length only, channel mean, FLAC file written. No isolation, no tables, no
  hashes. Timed on a sample, given per clip.

Last, our run once more with a clock on each of its parts (`timed_render.py`).
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


def config(shaping: str, timbres: int, envelopes: int, phrases: int) -> dict[str, object]:
    """A plan of one synth; steadiness is not asked for, so that no preset is tried in vain.

    With `shaping: plugin` a block holds 32 clips of a timbre, one group, and no hold: amsynth has none.
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
    """CPU seconds of all processes started from here that have ended, their children included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(root: Path, dataset: Path) -> float:
    """CPU seconds of rendering the plan with one worker."""
    before = children_cpu_s()
    subprocess.run(
        [sys.executable, "-m", "render", "make", root / "config.yaml", "--out", dataset],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return children_cpu_s() - before


def timed(root: Path) -> dict[str, Any]:
    """What `benchmarks.timed_render` says of the same plan."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.timed_render", root / "config.yaml", root / "timed"],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def flac_ms(dataset: Path, count: int) -> float:
    """CPU ms to encode one clip, over about `count` clips spread evenly over the dataset."""
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


def plain(dataset: Path, shaping: str, per_timbre: int) -> tuple[float, float]:
    """The plain loop over some clips of every timbre, in this process: CPU ms a clip of its engine and
    of its FLAC. With `shaping: plugin` each clip's envelope is set before it is played."""
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
    spent = {"plugin": 0.0, "flac": 0.0}
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
            spent["plugin"] += middle - start
            spent["flac"] += time.process_time() - middle
            count += 1
    return spent["plugin"] / count * 1e3, spent["flac"] / count * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shaping", choices=["renderer", "plugin"], default="renderer")
    for name in ("timbres", "envelopes", "phrases"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--per-timbre", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    usual = (8, 32, 32) if asked.shaping == "renderer" else (4, 20, 20)
    given = (asked.timbres, asked.envelopes, asked.phrases)
    sizes = [size or other for size, other in zip(given, usual, strict=True)]
    seconds: list[float] = []
    loops: list[tuple[float, float]] = []
    encoding: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config.yaml").write_text(yaml.safe_dump(config(asked.shaping, *sizes)))
        for turn in range(asked.rounds):
            dataset = root / f"dataset-{turn}"
            seconds.append(ours(root, dataset))
            loops.append(plain(dataset, asked.shaping, asked.per_timbre))
            encoding.append(flac_ms(dataset, 500))
        clips = int(pd.read_parquet(dataset / "shards.parquet")["clips"].sum())
        parts = timed(root)
    made, flac = float(np.mean(seconds)) / clips * 1e3, float(np.mean(encoding))
    engine, file = (float(value) for value in np.mean(loops, axis=0))
    print(f"shaping: {asked.shaping}, {' x '.join(map(str, sizes))}: {clips} clips of 3 s, CPU ms a clip")
    print(f"  ours, everything included   {made:7.2f}   ({3000 / made:.0f} x real time)")
    print(f"  plain DawDreamer loop       {engine + file:7.2f}   ({(engine + file) / made:.2f} x ours)")
    print(f"    of which its bare engine  {engine:7.2f}   ({engine / made:.2f} x ours)")
    print(f"  FLAC encoding alone         {flac:7.2f}   (ours is {made / flac:.2f} x that)")
    print("where ours goes, ms a clip and share (a run of its own):")
    total = sum(parts["cpu_s"].values())
    for name, spent in sorted(parts["cpu_s"].items(), key=lambda part: -part[1]):
        print(f"  {name:27s} {spent / clips * 1e3:7.3f}   {spent / total:6.1%}")
    print("memory of the worker at every 1,000th clip, MiB:", *(f"{mib:.0f}" for mib in parts["rss_mib"]))


if __name__ == "__main__":
    main()
