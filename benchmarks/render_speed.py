"""How fast `shaping: renderer` is, beside a plain DawDreamer loop and beside FLAC encoding alone.

    .venv/bin/python benchmarks/render_speed.py [--timbres 8 --envelopes 32 --phrases 32]

All three make the same kind of clips of amsynth on one core, in one run, and are counted in CPU time of
their own processes (children included), so that a busy machine does not decide:

- plain: one engine, the preset loaded once a timbre, each clip rendered for its own length only, channel
  mean, FLAC file written. No isolation, no tables, no hashes. Timed on a sample, given per clip.
- flac: encoding the finished clips of our run from memory, and nothing else.
- ours: `python -m render make` with one worker: hosts, tones, composing, FLAC, hashes, tars and tables.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

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


def config(timbres: int, envelopes: int, phrases: int) -> dict[str, object]:
    """A plan of one synth; steadiness is not asked for, so that no preset is tried in vain."""
    return {
        "name": "speed",
        "seed": 1,
        "timbres": [{"synth": "amsynth", "count": timbres}],
        "tones": {"max_level_variation_db": 60, "require_pitched": False},
        "envelopes": {"all": {"count": envelopes, **FAMILY}},
        "phrases": {"generated": {"count": phrases}},
        "splits": {"test_timbres": 0.25, "test_envelopes": 0.25, "test_phrases": 0.25},
        "blocks": {"per_shard": 64},
    }


def children_cpu_s() -> float:
    """CPU seconds of all processes started from here that have ended, their children included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(root: Path, plan: dict[str, object]) -> tuple[float, float]:
    """CPU and wall seconds of rendering the plan with one worker."""
    path = root / "config.yaml"
    path.write_text(yaml.safe_dump(plan))
    cpu, wall = children_cpu_s(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "render", "make", path, "--out", root / "dataset"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return children_cpu_s() - cpu, time.perf_counter() - wall


def flac_ms(root: Path, count: int) -> float:
    """CPU ms to encode one clip, over `count` clips of the dataset."""
    from render.clips import encode_flac

    clips = []
    for path in sorted((root / "dataset" / "shards" / "train").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".flac") and len(clips) < count:
                    file = tar.extractfile(member)
                    assert file is not None
                    clips.append(soundfile.read(io.BytesIO(file.read()), dtype="int16")[0])
    start = time.process_time()
    for clip in clips:
        encode_flac(clip, 44_100, 5)
    return (time.process_time() - start) / len(clips) * 1e3


def plain(root: Path, per_timbre: int) -> dict[str, float]:
    """The plain loop over some clips of every timbre, in this process: CPU ms a clip, by part."""
    import dawdreamer

    from presets.synths import open_synth

    dataset = root / "dataset"
    timbres = pd.read_parquet(dataset / "timbres.parquet")
    phrases = pd.read_parquet(dataset / "phrases.parquet")["notes"].to_list()
    profile = open_synth("amsynth").profile
    engine = dawdreamer.RenderEngine(44_100, 512)
    synth = engine.make_plugin_processor("synth", PLUGIN)
    engine.load_graph([(synth, [])])
    index = {p["name"]: p["index"] for p in synth.get_parameters_description()}
    spent = {"plugin": 0.0, "flac": 0.0}
    count = 0
    for row in timbres.itertuples():
        for name, value in profile.settings(dict(row.parameters)).items():
            synth.set_parameter(index[name], value)
        for notes in (phrases * per_timbre)[:per_timbre]:
            start = time.process_time()
            synth.clear_midi()
            for note in notes:
                synth.add_midi_note(note["pitch"], note["velocity"], note["onset"], note["duration"])
            engine.render(3.0)
            audio = engine.get_audio().mean(axis=0)
            middle = time.process_time()
            peak = float(np.abs(audio).max()) or 1.0
            pcm = np.rint(audio * (29204 / peak)).astype(np.int16)
            soundfile.write(root / "clip.flac", pcm, 44_100, subtype="PCM_16", compression_level=5 / 8)
            spent["plugin"] += middle - start
            spent["flac"] += time.process_time() - middle
            count += 1
    return {name: seconds / count * 1e3 for name, seconds in spent.items()} | {"clips": count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("timbres", 8), ("envelopes", 32), ("phrases", 32), ("per-timbre", 40)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cpu, wall = ours(root, config(asked.timbres, asked.envelopes, asked.phrases))
        clips = int(pd.read_parquet(root / "dataset" / "shards.parquet")["clips"].sum())
        encode = flac_ms(root, 500)
        loop = plain(root, asked.per_timbre)
    ours_ms, loop_ms = cpu / clips * 1e3, loop["plugin"] + loop["flac"]
    figures = {
        "clips": clips,
        "ours_ms_a_clip": round(ours_ms, 3),
        "ours_wall_s": round(wall, 1),
        "plain_ms_a_clip": round(loop_ms, 3),
        "plain_plugin_ms": round(loop["plugin"], 3),
        "plain_clips_timed": int(loop["clips"]),
        "flac_ms_a_clip": round(encode, 3),
        "times_plain": round(loop_ms / ours_ms, 2),
        "times_flac": round(ours_ms / encode, 2),
        "real_time_factor": round(3000 / ours_ms),
    }
    if asked.json:
        print(json.dumps(figures))
        return
    print(f"{clips} clips of 3 s, one core, CPU ms a clip")
    print(f"  ours, everything included   {ours_ms:7.2f}   ({figures['real_time_factor']} x real time)")
    print(f"  plain DawDreamer loop       {loop_ms:7.2f}   ({figures['times_plain']} x as fast; asked: 5)")
    print(f"  FLAC encoding alone         {encode:7.2f}   ({figures['times_flac']} x that; asked: 1.8)")


if __name__ == "__main__":
    main()
