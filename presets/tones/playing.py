"""Renders a timbre's clips by the plugin (`shaping: plugin`), with its own envelope set through the profile.

A group is the clips of one timbre in one block, in the block's order, in one fork of the pristine plugin.
Clips are monophonic as composed ones are: a new onset cuts the previous note's tail with a short fade. The
fade and the gain of the velocity are applied here.

MIDI's All Sound Off ends the plugin's voice if the profile says that the synth obeys it. Otherwise the phrase
is split into lanes, one render each. A note goes to the first lane that is silent at its onset, and a lane
is muted except during its own notes.
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
from presets.synths.preset import Preset
from presets.synths.synth import Synth

F32 = npt.NDArray[np.float32]

VERSION = 3
"""The version of a played clip's sound; it enters every group's address."""
MIN_PEAK = 1e-4
MAX_PEAK = 8.0
VELOCITY = 100
TAIL_S = 0.02
"""The margin added to a release, for the plugin's rounding and smoothing."""
WARM_UP_S = 0.2
INTO_SAMPLE = 0.25
"""Events are a quarter sample late, so that neither rounding nor truncation moves them."""


@dataclass(frozen=True)
class PlayedCell:
    """Holds one clip of a group: a phrase and an envelope."""

    notes: Notes
    envelope: Envelope
    stated: Envelope | None = None
    """The envelope that its row states, where that is not the one that the synth is asked for."""

    @property
    def row(self) -> Envelope:
        """The envelope that its row states."""
        return self.stated or self.envelope


@dataclass(frozen=True)
class PlaySpec:
    """States what all played clips share: rate in Hz, samples per clip, and the cut's fade in ms."""

    rate: int
    frames: int
    cut_fade_ms: float


def played_address(synth: Synth, preset: Preset, cells: Sequence[PlayedCell], spec: PlaySpec) -> str:
    """Returns a group's content address: the SHA-256 of everything it depends on, in hex.

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
    """Renders a group's clips before normalisation: a list of float32 [frames].

    With `first`, only that many clips are rendered, as they are in the whole group.

    Raises GroupFailure if the preset is at fault, and MachineFailure if the machine is. Raises InputError
    if the synth cannot play an envelope, and ValueError if the profile has none.

    Example: `play_group(host, synth, preset, [PlayedCell(notes, envelope)], PlaySpec(44_100, 132_300, 3.0))`.
    """
    played = cells[:first]
    takes = [_takes(synth, cell, spec) for cell in played]
    keys = [note.pitch for cell in cells for note in cell.notes]
    warm_up = warm_up_takes(synth, keys, takes[0][0][0].settings)
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
        clip = parts[0] if len(parts) == 1 else np.sum(parts, axis=0)
        if _peak(clip) < MIN_PEAK:
            raise GroupFailure("silent", f"clip {index} of the group: peak below {MIN_PEAK:g}")
        clips.append(clip)
    return clips


def warm_up_takes(synth: Synth, keys: Sequence[int], settings: dict[str, float]) -> list[Take]:
    """Returns a take, later discarded, that plays all MIDI `keys` of a group at once.

    It is needed because a key's first note starts 2 ms late in amsynth. It is left out if the synth ignores
    All Sound Off: its few voices would be stolen.
    """
    if not synth.profile.obeys_all_sound_off:
        return []
    notes = tuple(Note(0.0, WARM_UP_S / 2, key, VELOCITY) for key in sorted(set(keys)))
    return [Take(settings, notes, WARM_UP_S, cut=True)]


def note_gain(notes: Notes, mine: Sequence[int], spec: PlaySpec) -> F32:
    """Returns the gain of the notes with indices `mine`: float32 [frames].

    It is velocity / 127 over each note's span, faded out at the span's end, and 0 elsewhere.
    """
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
    """Returns each note's lane: the first one whose last note ended `release` samples before the onset.

    Example: with two overlapping releases, `assign_lanes(spans, release)` is [0, 1, 0, 1, ...].
    """
    free_at: list[int] = []
    chosen = []
    for span in placed:
        lane = next((i for i, at in enumerate(free_at) if at <= span.onset), len(free_at))
        free_at[lane : lane + 1] = [span.off + release]
        chosen.append(lane)
    return chosen


def envelope_settings(synth: Synth, envelope: Envelope) -> dict[str, float]:
    """Returns the host's values of the parameters that make a synth play an envelope.

    Raises InputError if the synth cannot play it, and ValueError if its profile has no envelope.

    Example: `envelope_settings(open_synth("amsynth"), Envelope(10, 200, 0.5, 100))["amp_sustain"]` is 0.5.
    """
    profile = synth.profile
    if profile.envelope is None:
        raise ValueError(f"synth {synth.name}: its profile has no envelope")
    return profile.host_values(profile.envelope.parameter_values(envelope, profile.parameters))


def _takes(synth: Synth, cell: PlayedCell, spec: PlaySpec) -> tuple[list[Take], list[int]]:
    """Returns the takes of one clip, and each note's lane, which is the index of its take."""
    profile = synth.profile
    settings = envelope_settings(synth, cell.envelope)
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
    release = to_samples(max(cell.envelope.release_ms, cell.row.release_ms) / 1000.0 + TAIL_S, spec.rate)
    lane_of = assign_lanes(placed, release)
    # Each take lasts until its last note is silent; otherwise the next take would contain its tail.
    takes = []
    for lane in range(max(lane_of) + 1):
        mine = [i for i, of in enumerate(lane_of) if of == lane]
        silent_at = max(placed[i].off for i in mine) + release
        takes.append(Take(settings, tuple(notes[i] for i in mine), max(spec.frames, silent_at) / spec.rate))
    return takes, lane_of


def _frames(take: Take, rate: int) -> int:
    """Returns the number of samples that DawDreamer renders for a take."""
    return to_samples(take.seconds, rate)


def _check(sound: F32, index: int) -> None:
    peak = _peak(sound)
    if not np.isfinite(peak):
        raise GroupFailure("nan", f"clip {index} of the group: not a number, or infinite")
    if peak > MAX_PEAK:
        raise GroupFailure("clipped", f"clip {index} of the group: peak {peak:.3g}, at most {MAX_PEAK:g}")


def _peak(sound: F32) -> float:
    """Returns the largest magnitude; NaN if there is a NaN."""
    return float(max(sound.max(initial=0.0), -sound.min(initial=0.0)))
