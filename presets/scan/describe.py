"""Measures audio features of one preset on a few of its notes: one row of a scan."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.dsp.timbre_embedding import embed
from manifests.synthesis.pitch import frequency, self_likeness
from manifests.types import InputError, Note
from presets.analysis.fingerprint import mel_levels_db, mel_power
from presets.analysis.levels import flattest_window, frame_levels_db, is_hard_clipped, without_rumble
from presets.analysis.pitch import vote_octave
from presets.host.client import GroupFailure, GroupJob, SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.making import MAX_PEAK, MIN_PITCH_CONFIDENCE, MIN_RMS, TONE_RMS

F32 = npt.NDArray[np.float32]

VERSION = 4
"""The version of the measurements: a scan started with another version is not resumed."""
NOISY = 0.1
"""The spectral flatness above which unpitched sounds count as noisy; a tone's is about 0.001."""
FLOOR_DB = -100.0
ONSET_S = 0.06
"""The length of the onset that a note's fingerprint leaves out."""


@dataclass(frozen=True)
class ScanSpec:
    """States the notes that every preset is measured with.

    All `pitches` are played `repeats` times at the first velocity, then as often at the second one. Pitches
    are pairs of neighbours, one pair per register. Free-running oscillators start each note at random phases,
    which changes its spectrum; the repeats measure by how much.
    """

    rate: int = 44100
    pitches: tuple[int, ...] = (47, 49, 59, 61, 71, 73)
    repeats: int = 2
    velocities: tuple[int, int] = (100, 60)
    held_s: float = 1.25
    window_s: float = 1.0
    """The length of the steadiest window of a held note, which is measured."""
    gap_s: float = 0.05

    def notes(self) -> tuple[Note, ...]:
        """Returns the notes in the order they are played."""
        step = self.held_s + self.gap_s
        played = [(pitch, velocity) for velocity in self.velocities for pitch in self.pitches * self.repeats]
        return tuple(
            Note(index * step, self.held_s, pitch, velocity) for index, (pitch, velocity) in enumerate(played)
        )

    @property
    def seconds(self) -> float:
        """The duration of the render in seconds."""
        return (self.held_s + self.gap_s) * len(self.notes())


def describe_preset(host: SnapshotHost, synth: Synth, preset: Preset, spec: ScanSpec) -> dict[str, Any]:
    """Renders a preset's notes and returns its row: the columns of the table `scan` that describe one preset.

    A failed preset has the reason in `status`, and None in `MEASURED_COLUMNS`. Raises MachineFailure if the
    machine cannot render.

    Example::

        with SnapshotHost(synth) as host:
            row = describe_preset(host, synth, synth.preset("named/glass-bell"), ScanSpec())
    """
    row: dict[str, Any] = {
        "synth": synth.name,
        "preset": preset.address,
        "name": preset.name,
        "bank_sha256": preset.bank_sha256,
        "deterministic": synth.is_deterministic(preset),
    }
    row |= dict.fromkeys(MEASURED_COLUMNS)
    try:
        settings, state = synth.profile.host_values(preset.parameters), synth.preset_state(preset)
        host.check_state(state)
        audio = host.render(GroupJob(settings, spec.notes(), spec.seconds, state=state))
        return row | {"status": "ok", "detail": ""} | _measure(audio, spec)
    except GroupFailure as failure:
        return row | {"status": failure.reason, "detail": failure.detail}
    except InputError as damaged:
        return row | {"status": "unloadable", "detail": str(damaged)}


MEASURED_COLUMNS = (
    "peak",
    "loudness_dbfs",
    "level_variation_db",
    "level_variation",
    "flatness",
    "octave",
    "pitch_confidence",
    "pitch_cents",
    "periodicity",
    "spectral_flatness",
    "character",
    "brightness_hz",
    "stereo_width",
    "velocity_db",
    "fingerprint",
    "fingerprint_error",
    "fingerprint_soft",
    "fingerprint_soft_error",
    "embedding",
    "audio_sha256",
)
"""The columns that are None if a preset failed."""


def _measure(audio: F32, spec: ScanSpec) -> dict[str, Any]:
    """Returns `MEASURED_COLUMNS` of rendered audio, float32 [channels, samples]. Raises GroupFailure."""
    frames = int(spec.seconds * spec.rate)
    if audio.shape[1] < frames:
        raise GroupFailure("crashed", f"{audio.shape[1]} samples came back, not {frames}")
    peak = float(np.abs(audio).max())
    if not np.isfinite(peak):
        raise GroupFailure("nan", "not a number, or infinite")
    if peak > MAX_PEAK:
        raise GroupFailure("clipped", f"peak {peak:.3g}, at most {MAX_PEAK:g}")
    mono = audio.mean(axis=0, dtype=np.float32)
    tones: list[F32] = []
    bands: list[F32] = []
    rms: list[float] = []
    variations: list[tuple[float, float]] = []
    for note in spec.notes():
        start = int(note.onset * spec.rate)
        held = without_rumble(mono[start : start + int(spec.held_s * spec.rate)], spec.rate)
        begin, deviation = flattest_window(held, spec.rate, int(spec.window_s * spec.rate))
        tone = held[begin : begin + int(spec.window_s * spec.rate)]
        level = float(np.sqrt(np.mean(np.square(tone, dtype=np.float64))))
        if level < MIN_RMS:
            raise GroupFailure("silent", f"pitch {note.pitch}, velocity {note.velocity}: RMS {level:.2g}")
        if is_hard_clipped(tone):
            raise GroupFailure("clipped", f"pitch {note.pitch}: stays at its peak for whole stretches")
        amplitudes = 10.0 ** (frame_levels_db(tone, spec.rate) / 20.0)
        variations.append((deviation, float(np.std(amplitudes) / np.mean(amplitudes))))
        tones.append(tone * np.float32(TONE_RMS / level))
        # The whole note, not its steadiest window: the window's place is random, and slow filters move.
        bands.append(mel_levels_db(mel_power(held[int(ONSET_S * spec.rate) :], spec.rate), FLOOR_DB))
        rms.append(level)
    loud = tones[: len(tones) // 2]
    embedded = embed_tones(loud, spec.rate)
    # Tones have a level of their own, so that they are not silent.
    assert embedded is not None
    octave, confidence = vote_octave(tones, [note.pitch for note in spec.notes()], spec.rate)
    periodicities = [_periodicity(tone, spec.rate) for tone in loud]
    spectra = [_spectrum(tone, spec.rate) for tone in loud]
    noisiness = float(np.median([flat for flat, _ in spectra]))
    character = "noisy" if noisiness > NOISY else "inharmonic"
    variation = float(np.median([share for _, share in variations]))
    levels_db, errors_db = _fingerprints(np.array(bands), spec)
    levels = 20.0 * np.log10(rms)
    return {
        "peak": peak,
        "loudness_dbfs": float(np.mean(levels[: len(loud)])),
        "level_variation_db": float(np.median([db for db, _ in variations])),
        "level_variation": variation,
        "flatness": 1.0 / (1.0 + variation**2),
        "octave": octave,
        "pitch_confidence": confidence,
        "pitch_cents": _cents(loud, spec, octave) if confidence > 0.0 else None,
        "periodicity": float(np.median(periodicities)),
        "spectral_flatness": noisiness,
        "character": "harmonic" if confidence >= MIN_PITCH_CONFIDENCE else character,
        "brightness_hz": float(np.mean([centroid for _, centroid in spectra])),
        "stereo_width": _width(audio),
        "velocity_db": float(np.mean(levels[: len(loud)] - levels[len(loud) :])),
        "fingerprint": levels_db[0].tolist(),
        "fingerprint_error": errors_db[0].tolist(),
        "fingerprint_soft": levels_db[1].tolist(),
        "fingerprint_soft_error": errors_db[1].tolist(),
        "embedding": embedded.astype(np.float32).tolist(),
        "audio_sha256": hashlib.sha256(audio.astype("<f4").tobytes()).hexdigest(),
    }


def embed_tones(tones: Sequence[F32], rate: int) -> npt.NDArray[np.float64] | None:
    """Embeds steady tones, float32 [samples] each, as one sound: float64 [dims], or None if all are silent.

    Example: `embed_tones(tones, 44_100)`
    """
    levels = [float(np.sqrt(np.mean(np.square(tone, dtype=np.float64)))) for tone in tones]
    return embed(
        np.concatenate([t * np.float32(TONE_RMS / max(v, 1e-9)) for t, v in zip(tones, levels, strict=True)]),
        rate,
    )


def _fingerprints(bands: F32, spec: ScanSpec) -> tuple[F32, F32]:
    """Computes the mean mel levels of each register in dB, and their standard errors.

    `bands` are the levels of each note: float32 [notes, BANDS]. Both results are float32 [velocities,
    registers * BANDS]. The standard error is estimated from the variance between repeats of one note.
    """
    shape = (len(spec.velocities), spec.repeats, len(spec.pitches) // 2, 2, bands.shape[1])
    levels = bands.reshape(shape).astype(np.float64)
    variance = levels.var(axis=1, ddof=1).mean(axis=2) / (2 * spec.repeats)
    flat = (shape[0], -1)
    means = levels.mean(axis=(1, 3)).reshape(flat)
    return means.astype(np.float32), np.sqrt(variance).reshape(flat).astype(np.float32)


def _middle(tone: F32, rate: int) -> F32:
    """Returns up to 0.25 s from the middle of a tone [samples]."""
    length = min(rate // 4, len(tone))
    start = (len(tone) - length) // 2
    return tone[start : start + length]


def _periodicity(tone: F32, rate: int) -> float:
    """Returns the normalised autocorrelation at the best period: 1 for exact repetition, noise near 0."""
    autocorrelation = self_likeness(np.asarray(_middle(tone, rate), dtype=np.float64))
    below = np.flatnonzero(autocorrelation < 0.0)
    return float(np.clip(autocorrelation[below[0] :].max(), 0.0, 1.0)) if len(below) else 0.0


def _cents(tones: list[F32], spec: ScanSpec, octave: int) -> float | None:
    """Returns the median detuning in cents from the note, `octave` octaves up; None if no tone is near it."""
    cents = []
    for tone, pitch in zip(tones, spec.pitches * spec.repeats, strict=True):
        hz = frequency(_middle(tone, spec.rate), spec.rate)
        if hz is not None:
            cents.append(100.0 * (69.0 + 12.0 * np.log2(hz / 440.0) - pitch - 12 * octave))
    near = [value for value in cents if abs(value) <= 50.0]
    return float(np.median(near)) if near else None


def _spectrum(tone: F32, rate: int) -> tuple[float, float]:
    """Computes spectral flatness (0..1, of power) and centroid (Hz, of magnitude) from 40 Hz to 16 kHz."""
    size = 4096
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    starts = np.linspace(0, len(tone) - size, 12).astype(int)
    power = np.mean([np.abs(np.fft.rfft(tone[s : s + size] * window)) ** 2 for s in starts], axis=0)
    hz = np.fft.rfftfreq(size, 1.0 / rate)
    inside = (hz >= 40.0) & (hz <= min(16_000.0, 0.45 * rate))
    kept = power[inside] + 1e-12
    magnitude = np.sqrt(kept)
    flatness = float(np.exp(np.mean(np.log(kept))) / np.mean(kept))
    return flatness, float(np.sum(hz[inside] * magnitude) / np.sum(magnitude))


def _width(audio: F32) -> float:
    """Returns the side channel's share of the energy of audio [channels, samples].

    It is 0 for mono, 0.5 for uncorrelated channels and 1 for opposite ones.
    """
    if len(audio) < 2:
        return 0.0
    middle, side = audio[0].astype(np.float64) + audio[1], audio[0].astype(np.float64) - audio[1]
    energies = float(np.sum(middle**2)), float(np.sum(side**2))
    return energies[1] / max(sum(energies), 1e-20)
