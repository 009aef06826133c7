"""Writes small dataset folders without the renderer, for the trainer's tests.

Timbres are additive tones with a seeded spectrum, a falling filter, a detuned second voice and noise;
everything after the tones goes through `synthesis.compose` and the schemas, as the renderer does it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import tarfile
from itertools import product
from pathlib import Path

import numpy as np
import soundfile

from manifests.dataset.layout import Layout, shard_path, to_table, write_table
from manifests.dataset.schema import SCHEMA_VERSION
from manifests.splits.seeds import permutation, stream
from manifests.synthesis import compose
from manifests.synthesis.envelope import settle_ms
from manifests.synthesis.octaves import median_pitch, octave_of, to_register
from manifests.types import ClipId, Envelope, Note, Notes

CUT_FADE_MS = 5.0
FAMILIES = {  # attack, hold, decay, sustain, release
    "pluck": ((10, 50), (0, 20), (50, 200), (0.0, 0.2), (30, 120)),
    "lead": ((10, 100), (0, 200), (100, 300), (0.4, 0.8), (80, 300)),
}


def make_envelope(seed: int, index: int) -> tuple[str, Envelope]:
    family = ("pluck", "lead")[index % 2]
    draws = stream(seed, "envelope", index).random(5)
    values = [low + (high - low) * u for (low, high), u in zip(FAMILIES[family], draws, strict=True)]
    attack, hold, decay, sustain, release = (float(value) for value in values)
    return family, Envelope(attack, decay, sustain, release, hold)


def make_phrase(seed: int, index: int, seconds: float) -> Notes:
    """Draws a monophonic phrase on a 0.25 s grid (finer in short clips), mostly legato, in the register."""
    grid = 0.25 if seconds >= 2.0 else seconds / 8.0
    slots = round(seconds / grid)
    draws = stream(seed, "phrase", index)
    count = min(5 + int(draws.random() * 6), slots - 2)
    onsets = sorted(np.argsort(draws.random(slots - 1))[: count - 1] + 1) if count > 1 else []
    starts = [0, *(int(slot) for slot in onsets)]
    pitch, notes = 60, []
    for start, end in zip(starts, [*starts[1:], slots], strict=True):
        pitch = int(np.clip(pitch + round((draws.random() - 0.5) * 10), 50, 74))
        share = 1.0 if draws.random() < 0.75 and end < slots else 0.5 + 0.4 * draws.random()
        velocity = 60 + int(draws.random() * 68)
        notes.append(Note(start * grid, (end - start) * grid * share, pitch, velocity))
    return to_register(notes)[0]


def make_tone(seed: int, timbre: int, pitch: int, samples: int, rate: int) -> tuple[np.ndarray, float]:
    """Returns one tone of RMS 0.1 as int16 and its scale."""
    draws = stream(seed, "timbre", timbre)
    tilt, odd, bright, sweep, noise, detune, second, kbd = draws.random(8)
    bumps = draws.random(64)
    frequency = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
    time = np.arange(samples) / rate
    sound = np.zeros(samples)
    cutoff = (500.0 * 2.0 ** (4.0 * bright)) * (frequency / 261.6) ** kbd
    moving = cutoff * (1.0 + 3.0 * sweep * np.exp(-time / 0.15))
    for voice, level in ((1.0, 1.0), (2.0 ** (detune * 12 / 1200), second)):
        for k in range(1, 65):
            partial = k * frequency * voice
            if partial > 0.46 * rate or level < 0.2:
                break
            amplitude = level * k ** -(0.6 + 1.2 * tilt) * (0.3 + bumps[k - 1])
            if k % 2 == 0:
                amplitude *= 1.0 - odd if odd > 0.5 else 1.0
            sound += amplitude / (1.0 + (partial / moving) ** 4) * np.sin(2 * math.pi * partial * time)
    hiss = stream(seed, "hiss", timbre, pitch).random(samples) - 0.5
    hiss = np.convolve(hiss, np.ones(3) / 3.0, mode="same")
    sound += hiss * np.std(sound) * 10.0 ** (-3.0 + 2.5 * noise)
    sound *= 0.1 / np.sqrt(np.mean(sound**2))
    scale = float(np.max(np.abs(sound))) / compose.FULL_SCALE
    return np.rint(sound / scale).astype(np.int16), scale


def make_dataset(
    root: Path,
    *,
    train: tuple[int, int, int] = (4, 4, 4),
    test: tuple[int, int, int] = (0, 0, 0),
    block: tuple[int, int, int] = (2, 2, 2),
    seconds: float = 1.0,
    rate: int = 44_100,
    validation: float = 0.2,
    octaves: tuple[int, ...] = (0, 1, -1),
    blocks_a_shard: int = 4,
    seed: int = 7,
) -> Layout:
    """Writes a dataset of `train` (timbres, envelopes, phrases) and `test` held-out ids, with all splits.

    Each axis must be a multiple of `block` on it. A test split that would be empty is left out.
    """
    frames = round(seconds * rate)
    counts = [a + b for a, b in zip(train, test, strict=True)]
    octave = [octaves[index % len(octaves)] for index in range(counts[0])]
    envelopes = [make_envelope(seed, index) for index in range(counts[1])]
    phrases = [make_phrase(seed, index, seconds) for index in range(counts[2])]
    layout = Layout(root)
    root.mkdir(parents=True, exist_ok=True)
    tones = {
        (timbre, pitch): make_tone(seed, timbre, pitch + 12 * octave[timbre], frames, rate)
        for timbre in range(counts[0])
        for pitch in sorted({note.pitch for phrase in phrases for note in phrase})
    }

    cells: dict[str, list[tuple[tuple[int, ...], ...]]] = {}
    sides = [[range(a), range(a, a + b)] for a, b in zip(train, test, strict=True)]
    for unseen, split in (
        ((0, 0, 0), "train"), ((1, 0, 0), "test_unseen_timbre"), ((0, 1, 0), "test_unseen_envelope"),
        ((0, 0, 1), "test_unseen_phrase"), ((1, 1, 1), "test_unseen_all"),
    ):  # fmt: skip
        axes = []
        for axis in range(3):
            ids = list(sides[axis][unseen[axis]])
            mixed = [ids[i] for i in permutation(seed, len(ids), "axis", axis, unseen[axis])]
            axes.append([tuple(sorted(mixed[i : i + block[axis]])) for i in range(0, len(ids), block[axis])])
        cells[split] = [tuple(cell) for cell in product(*axes)]
    order = permutation(seed, len(cells["train"]), "validation")
    held = max(1, round(validation * len(order)))
    everything = cells.pop("train")
    cells = {
        "train": [everything[i] for i in order[held:]],
        "validation": [everything[i] for i in order[:held]],
        **cells,
    }

    block_rows, shard_rows = [], []
    for split, members in cells.items():
        for index in range(0, len(members), blocks_a_shard):
            shard = shard_path(split, index // blocks_a_shard)
            clip_rows = []
            path = root / shard
            path.parent.mkdir(parents=True, exist_ok=True)
            begun = len(block_rows)
            with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
                for timbres, envelope_ids, phrase_ids in members[index : index + blocks_a_shard]:
                    start = tar.offset
                    number = len(block_rows)
                    for timbre, phrase, envelope in product(timbres, phrase_ids, envelope_ids):
                        clip = ClipId(number, timbre, envelope, phrase)
                        shaped = envelopes[envelope][1]
                        bank = {pitch: tone for (owner, pitch), tone in tones.items() if owner == timbre}
                        sound = compose.gain(phrases[phrase], shaped, rate, frames, CUT_FADE_MS)
                        sound *= compose.dry(phrases[phrase], bank, rate, frames)
                        pcm, gain = compose.to_int16(sound, compose.peak_value(-1.0))
                        data = io.BytesIO()
                        soundfile.write(data, pcm, rate, format="FLAC", subtype="PCM_16")
                        offset = _add(tar, f"{clip.key}.flac", data.getvalue())
                        _add(tar, f"{clip.key}.json", json.dumps({"key": clip.key}).encode())
                        sounding = median_pitch(phrases[phrase]) + 12 * octave[timbre]
                        clip_rows.append(
                            {
                                "key": clip.key, "split": split, "shard": shard, "offset": offset,
                                "length": len(data.getvalue()), "block": number, "timbre": timbre,
                                "envelope": envelope, "phrase": phrase, **shaped.values(),
                                "sustain_reached": any(
                                    note.duration * 1000 >= settle_ms(shaped) for note in phrases[phrase]
                                ),
                                "release_heard": True, "octave": octave_of(sounding),
                                "frames": frames, "rate": rate, "cut_fade_ms": CUT_FADE_MS, "gain": gain,
                                "peak": compose.peak_value(-1.0),
                                "rms": float(np.sqrt(np.mean((pcm / 32768.0) ** 2))),
                                "pcm_sha256": hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest(),
                                "group": f"t{timbre}", "group_index": -1, "substitutes": None,
                            }
                        )  # fmt: skip
                    block_rows.append(
                        {
                            "block": number, "split": split, "shard": shard, "timbres": list(timbres),
                            "phrases": list(phrase_ids), "envelopes": list(envelope_ids),
                            "clips": len(timbres) * len(phrase_ids) * len(envelope_ids),
                            "offset": start, "length": tar.offset - start, "generation": 0,
                        }
                    )  # fmt: skip
            table = to_table("clips", clip_rows)
            write_table(layout.clip_table(shard), table)
            shard_rows.append(
                {
                    "shard": shard, "split": split, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                    "bytes": path.stat().st_size, "blocks": len(block_rows) - begun,
                    "clips": len(clip_rows), "table_sha256": "",
                }
            )  # fmt: skip

    def side(index: int, axis: int) -> str:
        return "train" if index < train[axis] else "test"

    pitches = [pitch for owner, pitch in tones if owner == 0]
    write_table(
        layout.table("timbres"),
        to_table(
            "timbres",
            [
                {
                    "timbre": index, "name": f"additive {index}", "synth": "additive",
                    "preset": str(index), "bank_sha256": "", "plugin_sha256": "", "parameters": [],
                    "state": None, "deterministic": True, "group": f"t{index}", "tones_sha256": "",
                    "lowest_pitch": min(pitches), "highest_pitch": max(pitches),
                    "octave": octave[index], "pitch_confidence": 1.0, "level_variation_db": 0.0,
                    "fingerprint": [], "cluster": index, "side": side(index, 0), "generation": 0,
                }
                for index in range(counts[0])
            ],
        ),
    )  # fmt: skip
    write_table(
        layout.table("envelopes"),
        to_table(
            "envelopes",
            [
                {
                    "envelope": index, "family": family, **envelope.values(), "cluster": index,
                    "side": side(index, 1), "generation": 0,
                }
                for index, (family, envelope) in enumerate(envelopes)
            ],
        ),
    )  # fmt: skip
    write_table(
        layout.table("phrases"),
        to_table(
            "phrases",
            [
                {
                    "phrase": index, "source": "test", "source_sha256": "",
                    "notes": [
                        {"onset": n.onset, "duration": n.duration, "pitch": n.pitch, "velocity": n.velocity}
                        for n in phrase
                    ],
                    "transposed": 0, "cluster": index, "side": side(index, 2), "generation": 0,
                }
                for index, phrase in enumerate(phrases)
            ],
        ),
    )  # fmt: skip
    write_table(layout.table("blocks"), to_table("blocks", block_rows))
    write_table(layout.table("shards"), to_table("shards", shard_rows))
    write_table(layout.table("failures"), to_table("failures", []))
    metadata = {"schema": SCHEMA_VERSION, "name": "test", "fingerprint": "test", "seed": seed}
    layout.dataset_json.write_text(json.dumps(metadata))
    return layout


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> int:
    """Appends a member with fixed metadata; returns where its bytes begin."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    offset = tar.offset + tarfile.BLOCKSIZE
    tar.addfile(member, io.BytesIO(data))
    return offset
