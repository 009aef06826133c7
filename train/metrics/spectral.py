"""How far an estimate is from its target: spectra (MSTFT) and level over time (LRMSD).

Both by the definitions that the reference's evaluation used, and floored, because a score that is decided
by what lies at -100 dB says little about what is heard; each as the sounds are, and level-matched. What
each one measures and how it can mislead is in docs/metrics.md. Everything here is a pure function of two
sounds: nothing is averaged over a batch, so no score depends on what else is scored.

    score(describe(estimate), describe(target))  ->  {"mstft": 1.7, "mstft_floored": 0.9, ...}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from manifests.types import InputError

F64 = npt.NDArray[np.float64]

WINDOWS = (2048, 512)
"""Window lengths of MSTFT in samples; the hop is a quarter of each."""

FRAME = 2048
HOP = 512
"""Frame and hop of LRMSD in samples."""

SILENT_RMS = 1e-5
"""A sound whose RMS is below this (-100 dBFS) has no level to match."""

TINY = 1e-20
"""Stands for a magnitude of 0 where its logarithm is taken: below every floor at any gain."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of scores. `floor` is where magnitudes (or the level, added) stop to matter."""

    name: str
    title: str
    floor: float
    matched: bool
    compute: Callable[[Match, float], float]
    """Of a match and the floor; lower is better, 0 for equal sounds."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What the metrics need of a sound, computed once: it is scored against several others.

    `magnitudes` and `logs` (log10 of them) hold [frames, bins] for each of `WINDOWS`; `levels` the RMS of
    each LRMSD frame, [frames]; `rms` that of the whole sound; `samples` how long it is.
    """

    magnitudes: tuple[F64, ...]
    logs: tuple[F64, ...]
    levels: F64
    rms: float
    samples: int


def check_sound(audio: npt.ArrayLike, name: str) -> F64:
    """`audio` as mono float64 [samples]; InputError, naming it, if it is empty, not mono or not finite."""
    sound = np.asarray(audio, dtype=np.float64)
    if sound.ndim != 1:
        raise InputError(f"{name}: expected mono audio [samples], got an array of shape {sound.shape}")
    if len(sound) == 0:
        raise InputError(f"{name}: holds no samples; there is nothing to score")
    bad = int(np.count_nonzero(~np.isfinite(sound)))
    if bad:
        raise InputError(f"{name}: {bad} of {len(sound)} samples are not finite (NaN or infinite)")
    return sound


def fit_length(audio: F64, samples: int) -> F64:
    """`audio` cut, or filled up with silence, to `samples`: the target's length rules.

    What an estimate lacks at its end is thus scored as the silence one would hear; what it has beyond the
    target's end is not scored.
    """
    return audio[:samples] if len(audio) >= samples else np.pad(audio, (0, samples - len(audio)))


def magnitude(audio: F64, window: int) -> F64:
    """STFT magnitude [frames, window // 2 + 1]: periodic Hann, hop window/4, centred, reflect-padded.

    Not normalised (the sum over window times sample), which is what the floors refer to.
    """
    padded = np.pad(audio, window // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // 4]
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)
    return np.asarray(np.abs(np.fft.rfft(frames * hann, axis=-1)))


def frame_levels(audio: F64) -> F64:
    """RMS of each frame of 2048 samples, hop 512, centred, zero-padded: [1 + samples // 512]."""
    padded = np.pad(audio, FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    return np.asarray(np.sqrt(np.mean(frames**2, axis=-1)))


def describe(audio: npt.ArrayLike, name: str = "sound") -> Sound:
    """A sound, [samples] at full scale 1, made ready to be scored; InputError names it if it cannot be.

    A sound shorter than the longest window is filled up with silence to that length.
    """
    checked = check_sound(audio, name)
    padded = fit_length(checked, max(len(checked), WINDOWS[0]))
    magnitudes = tuple(magnitude(padded, window) for window in WINDOWS)
    return Sound(
        magnitudes=magnitudes,
        logs=tuple(np.log10(np.maximum(m, TINY)) for m in magnitudes),
        levels=frame_levels(padded),
        rms=float(np.sqrt(np.mean(checked**2))),
        samples=len(checked),
    )


@dataclass(frozen=True)
class Match:
    """An estimate, scaled by `gain`, beside its target; what several metrics need of both is kept."""

    estimate: Sound
    target: Sound
    gain: float = 1.0

    @cached_property
    def linear(self) -> tuple[float, ...]:
        """Mean difference of the magnitudes, for each of `WINDOWS`."""
        found = []
        for ours, theirs in zip(self.estimate.magnitudes, self.target.magnitudes, strict=True):
            apart = ours * self.gain
            apart -= theirs
            found.append(float(np.mean(np.abs(apart, out=apart))))
        return tuple(found)

    @cached_property
    def logs(self) -> tuple[F64, ...]:
        """log10 of the estimate's magnitudes, for each of `WINDOWS`."""
        shift = float(np.log10(self.gain))
        return tuple(log + shift for log in self.estimate.logs) if shift else self.estimate.logs


def mstft(match: Match, floor: float) -> float:
    """Multi-scale STFT distance: summed over windows, mean |log10(max(m, floor)^2)| + mean |m| difference.

    The floor applies to the logarithm alone.
    """
    bottom = np.log10(floor)
    total = 0.0
    for our_log, their_log, linear in zip(match.logs, match.target.logs, match.linear, strict=True):
        apart = np.maximum(our_log, bottom)
        apart -= np.maximum(their_log, bottom)
        total += 2.0 * float(np.mean(np.abs(apart, out=apart))) + linear
    return total


def lrmsd(match: Match, epsilon: float) -> float:
    """Log-RMS distance: mean over frames of |ln(rms + epsilon) difference|."""
    ours, theirs = np.log(match.gain * match.estimate.levels + epsilon), np.log(match.target.levels + epsilon)
    return float(np.mean(np.abs(ours - theirs)))


METRICS = tuple(
    Metric(f"{name}{suffix}", f"{title}{words}", floor, matched, compute)
    for matched, suffix, words in ((False, "", ""), (True, "_matched", ", level-matched"))
    for name, title, floor, compute in (
        ("mstft", "MSTFT", 1e-5, mstft),
        ("mstft_floored", "MSTFT, floor 0.001", 1e-3, mstft),
        ("mstft_floored_high", "MSTFT, floor 0.1", 1e-1, mstft),
        ("lrmsd", "LRMSD", 1e-8, lrmsd),
        ("lrmsd_floored", "LRMSD, floor 0.001", 1e-3, lrmsd),
    )
)
"""Every metric that is scored, in the order of the tables. All are better lower."""

HEADLINES = ("mstft_floored", "lrmsd_floored")
"""The two that the short tables show."""


def matching_gain(estimate: Sound, target: Sound) -> float:
    """The factor that gives the estimate the target's RMS; 1 where either is silent (below -100 dBFS)."""
    if min(estimate.rms, target.rms) < SILENT_RMS:
        return 1.0
    return target.rms / estimate.rms


def score(estimate: Sound, target: Sound) -> dict[str, float]:
    """Every metric of `METRICS` by name. Both sounds must be equally long: see `fit_length`."""
    if estimate.samples != target.samples:
        raise ValueError(f"estimate of {estimate.samples} samples, target of {target.samples}")
    plain, matched = Match(estimate, target), Match(estimate, target, matching_gain(estimate, target))
    return {m.name: m.compute(matched if m.matched else plain, m.floor) for m in METRICS}
