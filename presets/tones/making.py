"""Renders tone sets: all sustained notes of one timbre, rendered in one group, checked, cropped, normalised.

A tone set depends only on the timbre and the `ToneSpec`. Each pitch is held for the length of a tone plus
`settle_s`. The steadiest crop is kept, without DC, as int16 with a scale that gives it an RMS of 0.1. With
`pitching: one_shot` only the middle pitch is played, and every tone is made from one second of it
(`presets.tones.one_shot`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from manifests.dataset.canonical import sha256_json
from manifests.synthesis.recipe import RMS
from manifests.types import InputError, Note
from presets.analysis.fingerprint import mel_fingerprint
from presets.analysis.levels import flattest_window, is_hard_clipped, without_rumble
from presets.analysis.pitch import vote_octave
from presets.host.client import GroupFailure, GroupJob, SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.one_shot import CROP_S, make_loop, resample_loop
from presets.tones.tone_set import ToneSet, quantised

F32 = npt.NDArray[np.float32]

VERSION = 3
"""The version of a tone set's sound; it enters every address and the dataset's fingerprint."""
GAP_S = 0.1
"""The pause between two notes."""
TONE_RMS = RMS
"""The RMS of every tone, linear."""
MIN_RMS = 1e-4
"""A tone with a lower RMS (-80 dBFS) counts as silent."""
MAX_PEAK = 8.0
"""A higher peak (+18 dBFS) counts as a defect; plugins render floats that may exceed 1."""
MIN_PITCH_CONFIDENCE = 0.75
"""The share of tones that must have the same octave for a timbre to count as pitched."""
CANARY_TONES = 4
"""The number of tones that the canary renders again."""


@dataclass(frozen=True)
class ToneSpec:
    """States what all tone sets of a dataset share.

    `rate` is in Hz, `seconds` the length of a tone. Pitches are MIDI numbers: `lowest_pitch`, and upwards in
    steps of `step` semitones. `settle_s` is the extra time that each note is held. Raises InputError if a
    value is out of range.
    """

    rate: int
    seconds: float
    lowest_pitch: int
    highest_pitch: int
    velocity: int = 100
    settle_s: float = 1.0
    max_level_variation_db: float = 1.0
    require_pitched: bool = True
    pitching: Literal["multisample", "one_shot"] = "multisample"
    step: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.lowest_pitch <= self.highest_pitch <= 127:
            raise InputError(
                f"tones: pitches {self.lowest_pitch}..{self.highest_pitch} are not within 0..127"
            )
        if self.seconds < 0.1 or self.settle_s < 0.0 or self.rate < 8000 or self.step < 1:
            raise InputError(
                "tones: expected seconds of 0.1 or more, settle_s from 0, a rate from 8000, a step from 1"
            )

    @property
    def pitches(self) -> range:
        """The pitches of the tones, MIDI numbers."""
        return range(self.lowest_pitch, self.highest_pitch + 1, self.step)

    @property
    def played_pitches(self) -> range:
        """The pitches that the synth renders: all, or only the middle one for one-shots."""
        middle = (self.lowest_pitch + self.highest_pitch) // 2
        return range(middle, middle + 1) if self.pitching == "one_shot" else self.pitches

    @property
    def frames(self) -> int:
        """The length of a tone in samples."""
        return int(np.floor(self.seconds * self.rate + 0.5))

    @property
    def crop_frames(self) -> int:
        """The number of samples kept of a rendered note."""
        return int(CROP_S * self.rate) if self.pitching == "one_shot" else self.frames

    @property
    def held_frames(self) -> int:
        """The number of samples that a note is held."""
        return self.crop_frames + int(np.ceil(self.settle_s * self.rate))

    @property
    def step_frames(self) -> int:
        """The number of samples between two onsets."""
        return self.held_frames + int(GAP_S * self.rate)


def group_address(synth: Synth, preset: Preset, spec: ToneSpec) -> str:
    """Returns a tone set's content address: the SHA-256 of everything it depends on, in hex.

    Example: `group_address(synth, preset, spec)` names the folder of a cached tone set.
    """
    return sha256_json(
        {
            "tones": VERSION,
            "plugin": synth.plugin_sha256,
            "profile": synth.profile.sha256(),
            **preset.identity(),
            "spec": asdict(spec),
        }
    )


def tone_job(synth: Synth, preset: Preset, spec: ToneSpec, pitches: Sequence[int]) -> GroupJob:
    """Returns the job that renders each of `pitches` once: a held note, then a gap."""
    step, held = spec.step_frames / spec.rate, spec.held_frames / spec.rate
    notes = tuple(Note(i * step, held, pitch, spec.velocity) for i, pitch in enumerate(pitches))
    settings, state = synth.profile.host_values(preset.parameters), synth.preset_state(preset)
    return GroupJob(settings, notes, len(notes) * step, state=state, mono=True)


def make_tone_set(host: SnapshotHost, synth: Synth, preset: Preset, spec: ToneSpec) -> ToneSet:
    """Renders, checks and crops a timbre's tones.

    Raises GroupFailure if the preset is at fault (of another plugin, silent, clipped, unpitched, ...). Raises
    MachineFailure if the machine is, and InputError if the preset's file is damaged.

    Example: `make_tone_set(host, synth, preset, ToneSpec(...)).octave`.
    """
    host.check_state(synth.preset_state(preset))
    tones, deviations = _cropped(host, synth, preset, spec, spec.played_pitches)
    level_variation = float(np.median(deviations))
    if level_variation > spec.max_level_variation_db:
        raise GroupFailure(
            "unsteady", f"level varies by {level_variation:.2f} dB, at most {spec.max_level_variation_db:g}"
        )
    if spec.pitching == "one_shot":
        tones = _from_one_shot(tones[0], spec)
    octave, confidence = vote_octave(tones, list(spec.pitches), spec.rate)
    check_pitch(spec, confidence)
    samples, scales = quantised(tones)
    return ToneSet.create(
        samples=samples,
        scales=scales,
        lowest_pitch=spec.lowest_pitch,
        step=spec.step,
        rate=spec.rate,
        octave=octave,
        pitch_confidence=confidence,
        level_variation_db=level_variation,
        fingerprint=mel_fingerprint(tones, spec.rate),
    )


def check_pitch(spec: ToneSpec, confidence: float) -> None:
    """Raises GroupFailure if tones need a pitch, and too few of them have it.

    Example: `check_pitch(spec, tones.pitch_confidence)`.
    """
    if spec.require_pitched and confidence < MIN_PITCH_CONFIDENCE:
        raise GroupFailure("unpitched", f"{confidence:.0%} of the tones sound the note or an octave of it")


def is_reproducible(host: SnapshotHost, synth: Synth, preset: Preset, spec: ToneSpec, tones: ToneSet) -> bool:
    """Renders a set's first tones again in a fresh fork; returns whether they are bit-identical (canary).

    The first tones of a group do not depend on the later ones. Raises GroupFailure if the preset fails now.

    Example: `is_reproducible(host, synth, preset, spec, make_tone_set(host, synth, preset, spec))`.
    """
    again, _ = _cropped(host, synth, preset, spec, spec.played_pitches[:CANARY_TONES])
    if spec.pitching == "one_shot":
        again = _from_one_shot(again[0], spec)
    samples, scales = quantised(again)
    count = len(scales)
    return np.array_equal(samples, tones.samples[:count]) and np.array_equal(scales, tones.scales[:count])


def _cropped(
    host: SnapshotHost, synth: Synth, preset: Preset, spec: ToneSpec, pitches: Sequence[int]
) -> tuple[list[F32], list[float]]:
    """Renders, checks and crops the tones of `pitches`; also returns each one's level deviation in dB."""
    mono = host.render(tone_job(synth, preset, spec, pitches))[0]
    tones, deviations = [], []
    for index, pitch in enumerate(pitches):
        start = index * spec.step_frames
        tone, deviation = _crop(mono[start : start + spec.held_frames], spec, pitch)
        tones.append(tone)
        deviations.append(deviation)
    return tones, deviations


def _from_one_shot(crop: F32, spec: ToneSpec) -> list[F32]:
    """Makes every tone from one crop [samples]: loops it, resamples it to the pitch, sets the RMS to 0.1."""
    loop, played = make_loop(crop, spec.rate), spec.played_pitches[0]
    tones = [
        resample_loop(loop, 2.0 ** ((pitch - played) / 12.0), spec.frames, spec.rate)
        for pitch in spec.pitches
    ]
    return [
        tone * np.float32(TONE_RMS / np.sqrt(np.mean(np.square(tone, dtype=np.float64)))) for tone in tones
    ]


def _crop(held: F32, spec: ToneSpec, pitch: int) -> tuple[F32, float]:
    """Returns the steadiest crop of a held note, without rumble, with RMS 0.1; and its deviation in dB."""
    if len(held) < spec.held_frames:
        raise GroupFailure("crashed", f"pitch {pitch}: {len(held)} samples, not {spec.held_frames}")
    peak = float(np.abs(held).max())
    if not np.isfinite(peak):
        raise GroupFailure("nan", f"pitch {pitch}: not a number, or infinite")
    if peak > MAX_PEAK:
        raise GroupFailure("clipped", f"pitch {pitch}: peak {peak:.3g}, at most {MAX_PEAK:g}")
    # DC and drift are removed: an envelope would turn them into a thump.
    held = without_rumble(held, spec.rate)
    start, deviation = flattest_window(held, spec.rate, spec.crop_frames)
    tone = held[start : start + spec.crop_frames]
    rms = float(np.sqrt(np.mean(np.square(tone, dtype=np.float64))))
    if rms < MIN_RMS:
        raise GroupFailure("silent", f"pitch {pitch}: RMS {rms:.2g}, at least {MIN_RMS:g}")
    if is_hard_clipped(tone):
        raise GroupFailure("clipped", f"pitch {pitch}: stays at its peak for whole stretches")
    return tone * np.float32(TONE_RMS / rms), deviation
