"""`shaping: plugin`: a timbre's clips played by the plugin itself, its own envelope set through the profile.

A group is the clips of one timbre in one block, in the block's order, in one fork of the pristine plugin.
What makes a clip monophonic is the same as when it is composed: a new onset cuts the old note's tail with
a short fade. The fade and velocity, a stated gain, are ours; the voice itself is ended by MIDI's All Sound
Off where the profile says that the synth obeys it. Elsewhere the phrase is played in several lanes: a note
goes to the first lane that is silent by its onset, and each lane is heard during its own notes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from manifests.dataset.canonical import sha256_json
from manifests.synthesis.compose import Span, cut_fade, spans, to_samples
from manifests.types import Envelope, Note, Notes
from presets.analysis.levels import without_rumble
from presets.host.client import GroupFailure, GroupJob, SnapshotHost, Take
from presets.synths.synth import Preset, Synth

F32 = npt.NDArray[np.float32]

VERSION = 3
"""Counts changes to what a played clip sounds like: it is part of every group's address."""
MIN_PEAK = 1e-4
MAX_PEAK = 8.0
VELOCITY = 100
TAIL_S = 0.02
"""What a release may take longer than asked for: the plugin's own rounding and smoothing."""
WARM_UP_S = 0.2
INTO_SAMPLE = 0.25
"""Events lie a quarter into their sample, so that neither rounding nor truncation moves them."""


@dataclass(frozen=True)
class PlayedCell:
    """One clip of a group: a phrase under an envelope."""

    notes: Notes
    envelope: Envelope


@dataclass(frozen=True)
class PlaySpec:
    """What all played clips of a dataset share: rate in Hz, frames a clip, and the cut's fade in ms."""

    rate: int
    frames: int
    cut_fade_ms: float


def played_address(synth: Synth, preset: Preset, cells: Sequence[PlayedCell], spec: PlaySpec) -> str:
    """The content address of a group: a hash of all that it depends on (64 hex digits).

    Example: `played_address(synth, preset, cells, spec)` identifies a group that failed.
    """
    return sha256_json(
        {
            "playing": VERSION,
            "plugin": synth.plugin_sha256,
            "profile": synth.profile.sha256(),
            **preset.identity(),
            "spec": asdict(spec),
            "cells": [[[list(asdict(n).values()) for n in c.notes], c.envelope.values()] for c in cells],
        }
    )


def play_group(
    host: SnapshotHost,
    synth: Synth,
    preset: Preset,
    cells: Sequence[PlayedCell],
    spec: PlaySpec,
    first: int | None = None,
) -> list[F32]:
    """A group's clips before normalising, float32 [frames] each; GroupFailure says what is wrong.

    With `first` only so many of them, as they are at the start of the whole group.

    Example: `play_group(host, synth, preset, [PlayedCell(notes, envelope)], PlaySpec(44_100, 132_300, 3.0))`.
    """
    played = cells[:first]
    takes = [_takes(synth, cell, spec) for cell in played]
    warm_up = _warm_up(synth, cells, takes[0][0][0].settings)
    flat = (*warm_up, *(take for lanes, _ in takes for take in lanes))
    settings, state = synth.profile.host_values(preset.parameters), synth.preset_state(preset)
    mono = host.render(GroupJob(settings, (), 0.0, takes=flat, state=state, mono=True))[0]
    if len(mono) < sum(_frames(take, spec.rate) for take in flat):
        raise GroupFailure("crashed", f"{len(mono)} samples came back, fewer than were asked for")
    clips, start = [], sum(_frames(take, spec.rate) for take in warm_up)
    for index, (cell, (lanes, lane_of)) in enumerate(zip(played, takes, strict=True)):
        parts = []
        for lane, take in enumerate(lanes):
            sound = mono[start : start + spec.frames]
            start += _frames(take, spec.rate)
            _check(sound, index)
            mine = [i for i, of in enumerate(lane_of) if of == lane]
            part = without_rumble(sound, spec.rate)
            part *= note_gain(cell.notes, mine, spec)
            parts.append(part)
        heard = parts[0] if len(parts) == 1 else np.sum(parts, axis=0)
        if _peak(heard) < MIN_PEAK:
            raise GroupFailure("silent", f"clip {index} of the group: peak below {MIN_PEAK:g}")
        clips.append(heard)
    return clips


def _warm_up(synth: Synth, cells: Sequence[PlayedCell], settings: dict[str, float]) -> list[Take]:
    """All of a group's keys at once, briefly, unheard: in amsynth a key's first note rises late by 2 ms.

    Only where All Sound Off ends them at once; elsewhere voices are few, and would be stolen.
    """
    if not synth.profile.obeys_all_sound_off:
        return []
    keys = sorted({note.pitch for cell in cells for note in cell.notes})
    notes = tuple(Note(0.0, WARM_UP_S / 2, key, VELOCITY) for key in keys)
    return [Take(settings, notes, WARM_UP_S, cut=True)]


def note_gain(notes: Notes, mine: Sequence[int], spec: PlaySpec) -> F32:
    """The gain of the notes `mine`: velocity / 127 over each one's span, faded at the span's end."""
    gain = np.zeros(spec.frames, dtype=np.float32)
    fade = cut_fade(to_samples(spec.cut_fade_ms / 1000.0, spec.rate))
    all_spans = spans(notes, spec.rate, spec.frames)
    for index in mine:
        span = all_spans[index]
        gain[span.onset : span.end] = notes[index].velocity / 127.0
        faded = min(len(fade), span.end - span.onset)
        gain[span.end - faded : span.end] *= fade[len(fade) - faded :]
    return gain


def assign_lanes(placed: Sequence[Span], release: int) -> list[int]:
    """The lane of each note: the first one whose last note has been silent for a while by its onset."""
    free_at: list[int] = []
    chosen = []
    for span in placed:
        lane = next((i for i, at in enumerate(free_at) if at <= span.onset), len(free_at))
        free_at[lane : lane + 1] = [span.off + release]
        chosen.append(lane)
    return chosen


def _takes(synth: Synth, cell: PlayedCell, spec: PlaySpec) -> tuple[list[Take], list[int]]:
    """The takes of one clip, and the lane (take) of each of its notes."""
    profile = synth.profile
    if profile.envelope is None:
        raise ValueError(f"synth {synth.name}: its profile does not say how its envelope is set")
    settings = profile.host_values(profile.envelope.parameter_values(cell.envelope, profile.parameters))
    placed = spans(cell.notes, spec.rate, spec.frames)
    notes = [
        Note(
            (span.onset + INTO_SAMPLE) / spec.rate,
            max(span.off - span.onset, 1) / spec.rate,
            note.pitch,
            VELOCITY,
        )
        for note, span in zip(cell.notes, placed, strict=True)
    ]
    seconds = spec.frames / spec.rate
    if profile.obeys_all_sound_off:
        return [Take(settings, tuple(notes), seconds, cut=True)], [0] * len(notes)
    release = to_samples(cell.envelope.release_ms / 1000.0 + TAIL_S, spec.rate)
    lane_of = assign_lanes(placed, release)
    # Each lane goes on until its last note is silent, or it would be heard in the next take.
    takes = []
    for lane in range(max(lane_of) + 1):
        mine = [i for i, of in enumerate(lane_of) if of == lane]
        silent_at = max(placed[i].off for i in mine) + release
        takes.append(Take(settings, tuple(notes[i] for i in mine), max(spec.frames, silent_at) / spec.rate))
    return takes, lane_of


def _frames(take: Take, rate: int) -> int:
    """The samples that DawDreamer renders for a take."""
    return to_samples(take.seconds, rate)


def _check(sound: F32, index: int) -> None:
    peak = _peak(sound)
    if not np.isfinite(peak):
        raise GroupFailure("nan", f"clip {index} of the group: not a number, or infinite")
    if peak > MAX_PEAK:
        raise GroupFailure("clipped", f"clip {index} of the group: peak {peak:.3g}, at most {MAX_PEAK:g}")


def _peak(sound: F32) -> float:
    """The largest magnitude; NaN if there is one."""
    return float(max(sound.max(initial=0.0), -sound.min(initial=0.0)))
