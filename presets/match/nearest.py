"""Finds the nearest presets: by the scan's embeddings first, then by playing the recording's notes.

The embedding is the one that the benchmarks compare timbres by (`manifests.dsp.timbre_embedding`). A scan
plays fixed notes, and is compared with the recording's timbre as the codec plays it on the same notes. The
presets that are nearest then play the heard notes, with the heard envelope set on the synth through its
profile. The distances of those sounds to the recording decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.dsp.timbre_embedding import embed
from manifests.types import Envelope, InputError, Notes
from presets.host.client import GroupFailure, SnapshotHost
from presets.match.hearing import HeardRecording
from presets.synths.preset import Preset
from presets.synths.profile import Profile
from presets.synths.synth import Synth
from presets.tones.playing import PlayedCell, PlaySpec, play_group

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

RATE = 44_100
CUT_FADE_MS = 3.0
CANDIDATES = 24
"""Presets of the scan that are played."""


class Match(NamedTuple):
    """A preset that sounds like the recording.

    Attributes:
        preset: the preset.
        distance: 1 - cosine of the embeddings of the recording and of `sound`: 0..2.
        scanned: the same of the scan's notes, and of the recording's timbre on them.
        sound: the recording's notes, played by the preset: float32 [samples] at 44.1 kHz.
        settings: what to set on the synth for the envelope, by parameter, in its own units.
    """

    preset: Preset
    distance: float
    scanned: float
    sound: F32
    settings: dict[str, float]


def rank(rows: Sequence[dict[str, Any]], places: Mapping[int, F64]) -> list[tuple[float, dict[str, Any]]]:
    """Ranks a scan's usable presets by the distance of their embeddings to a timbre's, the nearest first.

    `places` are the timbre's embeddings on the notes that the scan plays, by octave: a preset is compared at
    its own octave.

    Raises InputError if the scan has no usable preset.

    Example: `rank(read_scan(path).to_pylist(), hear(Path("a.wav")).places)`
    """
    usable = [row for row in rows if row["usable"]]
    if not usable or not places:
        raise InputError("the scan has no usable preset: none is steady and in tune")
    distances = []
    for row in usable:
        target = places[min(places, key=lambda octave: abs(octave - row["octave"]))]
        distances.append(1.0 - float(np.clip(np.array(row["embedding"]) @ target, -1.0, 1.0)))
    return [(distances[index], usable[index]) for index in np.argsort(distances, kind="stable")]


def match_presets(
    host: SnapshotHost, synth: Synth, rows: Sequence[dict[str, Any]], heard: HeardRecording, count: int
) -> tuple[list[Match], Envelope]:
    """Finds the `count` presets that sound most like a recording, and the envelope that they play.

    Presets that fail, or would need notes that MIDI does not have, are passed over.

    Raises InputError if the scan has no usable preset, the recording is silent, or the synth's profile has no
    envelope; MachineFailure if the machine cannot render.

    Example: `match_presets(host, synth, read_scan(path).to_pylist(), hear(Path("a.wav")), 5)`
    """
    profile = synth.profile
    if profile.envelope is None:
        raise InputError(
            f"{synth.name}: its profile has no envelope, so none can be set; `presets calibrate` measures it"
        )
    target = embed(heard.sound, heard.rate)
    if target is None:
        raise InputError("recording: silent")
    envelope = nearest_playable(profile, heard.envelope)
    settings = profile.envelope.parameter_values(envelope, profile.parameters)
    spec = PlaySpec(RATE, round(len(heard.sound) * RATE / heard.rate), CUT_FADE_MS)
    matches = []
    for scanned, row in rank(rows, heard.places)[: max(CANDIDATES, count)]:
        notes = transposed(heard.notes, -int(row["octave"]))
        if notes is None:
            continue
        preset = synth.preset(row["preset"])
        try:
            (sound,) = play_group(host, synth, preset, [PlayedCell(notes, envelope)], spec)
        except GroupFailure:
            continue
        place = embed(sound, RATE)
        if place is not None:
            distance = float(1.0 - np.clip(place @ target, -1.0, 1.0))
            matches.append(Match(preset, distance, scanned, sound, settings))
    return sorted(matches, key=lambda match: match.distance)[:count], envelope


def transposed(notes: Notes, octaves: int) -> Notes | None:
    """Moves notes by octaves; None if one of them then lies outside MIDI's 0..127."""
    moved = tuple(replace(note, pitch=note.pitch + 12 * octaves) for note in notes)
    return moved if all(0 <= note.pitch <= 127 for note in moved) else None


def nearest_playable(profile: Profile, envelope: Envelope) -> Envelope:
    """Returns the nearest envelope that a synth can play: its own curve, times within its range.

    A hold that the synth lacks is added to its decay. Raises InputError if the profile has no envelope.
    """
    if profile.envelope is None:
        raise InputError(f"{profile.name}: its profile has no envelope")
    values: dict[str, Any] = dict(envelope.values()) | {"curve": profile.envelope.shape}
    if profile.envelope.hold is None:
        values |= {"decay_ms": envelope.decay_ms + envelope.hold_ms, "hold_ms": 0.0}
    for name, stage in profile.envelope.stages().items():
        low, high, _ = profile.parameters[stage.parameter]
        most = stage.curve.to_ms(high)
        values[name] = min(max(float(values[name]), min(stage.curve.to_ms(low), most)), most)
    values["sustain"] = min(values["sustain"], 1.0)
    return Envelope(**values)
