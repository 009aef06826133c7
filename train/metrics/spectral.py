"""Spectral distance (MSTFT) and level distance over time (LRMSD) of an estimate and its target.

Both follow the definitions of SynthCloner's evaluation. They are also given with floors, since a score that
is decided at -100 dB says little about what is heard, and level-matched. docs/metrics.md says what each
measures and how it can mislead. All functions are pure functions of two sounds: nothing is averaged over a
batch, so no score depends on what else is scored.

    score(spectral_features(estimate), spectral_features(target))  ->  {"mstft": 1.7, ...}
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

FLOOR = 1e-3
"""Magnitude below which the floored MSTFT takes all magnitudes for equal."""

SILENT_RMS = 1e-5
"""RMS below which (-100 dBFS) a sound has no level to pair."""

BRIDGED_S, BRIDGE_FADE_S = 0.008, 0.001
"""Stretch before an onset that `bridge_onsets` replaces, and its cross-fades, in seconds."""

DETECTED_WITHIN_S = 0.01
"""Error of detected onsets in seconds: around these, `bridge_onsets` replaces so much more on both sides."""

TINY = 1e-20
"""Replaces a magnitude of 0 before its logarithm is taken: below every floor at any gain."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of scores. Magnitudes are clamped to `floor` (MSTFT), or it is added to levels (LRMSD)."""

    name: str
    title: str
    floor: float
    matched: bool
    compute: Callable[[SpectralComparison, float], float]
    """A function of the comparison and the floor: 0 for equal sounds, lower is better."""


@dataclass(frozen=True, slots=True)
class SpectralFeatures:
    """Spectra and levels of a sound, computed once for all comparisons with others.

    Attributes:
        magnitudes: STFT magnitudes, float64 [frames, bins], for each of `WINDOWS`.
        logs: log10 of the magnitudes.
        levels: RMS of each LRMSD frame, float64 [frames].
        rms: RMS of the sound.
        samples: Its length.
    """

    magnitudes: tuple[F64, ...]
    logs: tuple[F64, ...]
    levels: F64
    rms: float
    samples: int


def check_sound(audio: npt.ArrayLike, name: str) -> F64:
    """Returns `audio` as float64 [samples].

    Raises InputError, with `name`, if it is empty, not mono or not finite.
    """
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
    """Cuts `audio` [n], or fills it up with silence, to `samples`.

    The target's length counts: a missing end is scored as silence, and samples beyond the target's end are
    not scored.
    """
    return audio[:samples] if len(audio) >= samples else np.pad(audio, (0, samples - len(audio)))


def bridge_onsets(
    estimate: F64, target: F64, onsets: npt.ArrayLike, rate: int, margin_s: float = 0.0
) -> tuple[F64, F64]:
    """Replaces the last 8 ms before each onset, in both sounds, by their mean: clicks there do not count.

    Cross-fades of 1 ms (raised cosines) lie outside of these 8 ms. With the target's samples in place of the
    mean, all edges would be the estimate's: tones that differ in phase alone would score twice as badly.

    Args:
        estimate: The sound to be scored, float64 [samples].
        target: Its target, float64 [samples].
        onsets: Onsets of the target's notes, seconds [onsets].
        rate: Sample rate in Hz.
        margin_s: How far off an onset may be, in seconds: the stretch is longer by this on both sides.

    Returns:
        Estimate and target, float64 [samples] each, unchanged elsewhere.

    Example: `bridge_onsets(estimate, target, [0.5], 44_100)[0][22_000]` is that of `[1][22_000]`.
    """
    before, fade, margin = (round(s * rate) for s in (BRIDGED_S, BRIDGE_FADE_S, margin_s))
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
    shape = np.concatenate([rise, np.ones(before + 2 * margin), rise[::-1]])
    share = np.zeros(len(estimate))
    for onset in np.asarray(onsets, dtype=np.float64):
        first = round(float(onset) * rate) - before - margin - fade
        start, stop = max(first, 0), min(first + len(shape), len(share))
        if start < stop:
            share[start:stop] = np.maximum(share[start:stop], shape[start - first : stop - first])
    mean = 0.5 * (estimate + target)
    return estimate + share * (mean - estimate), target + share * (mean - target)


def magnitude(audio: F64, window: int) -> F64:
    """Computes STFT magnitudes, float64 [frames, window // 2 + 1], of audio [samples].

    The window is a periodic Hann, the hop window / 4. Frames are centred, and the ends padded by reflection.
    Magnitudes are not normalised: floors refer to the plain sum of window times samples.
    """
    padded = np.pad(audio, window // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // 4]
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)
    return np.asarray(np.abs(np.fft.rfft(frames * hann, axis=-1)))


def frame_levels(audio: F64) -> F64:
    """Computes the RMS of centred, zero-padded frames of 2048 samples, hop 512: [1 + samples // 512]."""
    padded = np.pad(audio, FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    return np.asarray(np.sqrt(np.mean(frames**2, axis=-1)))


def spectral_features(audio: npt.ArrayLike, name: str = "sound") -> SpectralFeatures:
    """Computes the features of mono audio [samples] at full scale 1.

    A sound shorter than the longest window is filled up with silence to that length. Raises InputError, with
    `name`, if the audio is empty, not mono or not finite.

    Example: `score(spectral_features(audio), spectral_features(audio))["mstft"]` is 0.0.
    """
    checked = check_sound(audio, name)
    padded = fit_length(checked, max(len(checked), WINDOWS[0]))
    magnitudes = tuple(magnitude(padded, window) for window in WINDOWS)
    return SpectralFeatures(
        magnitudes=magnitudes,
        logs=tuple(np.log10(np.maximum(m, TINY)) for m in magnitudes),
        levels=frame_levels(padded),
        rms=float(np.sqrt(np.mean(checked**2))),
        samples=len(checked),
    )


@dataclass(frozen=True)
class SpectralComparison:
    """An estimate, scaled by `gain`, and its target; keeps what several metrics share."""

    estimate: SpectralFeatures
    target: SpectralFeatures
    gain: float = 1.0

    @cached_property
    def linear(self) -> tuple[float, ...]:
        """The mean absolute difference of the magnitudes, for each of `WINDOWS`."""
        means = []
        for ours, theirs in zip(self.estimate.magnitudes, self.target.magnitudes, strict=True):
            difference = ours * self.gain
            difference -= theirs
            means.append(float(np.mean(np.abs(difference, out=difference))))
        return tuple(means)

    @cached_property
    def logs(self) -> tuple[F64, ...]:
        """log10 of the scaled estimate's magnitudes, for each of `WINDOWS`."""
        shift = float(np.log10(self.gain))
        return tuple(log + shift for log in self.estimate.logs) if shift else self.estimate.logs


def mstft(pair: SpectralComparison, floor: float) -> float:
    """Computes the multi-scale STFT distance, a sum over windows.

    Each term is the mean difference of log10(max(m, floor)^2) plus the mean difference of the magnitudes m.
    """
    bottom = np.log10(floor)
    total = 0.0
    for our_log, their_log, linear in zip(pair.logs, pair.target.logs, pair.linear, strict=True):
        difference = np.maximum(our_log, bottom)
        difference -= np.maximum(their_log, bottom)
        total += 2.0 * float(np.mean(np.abs(difference, out=difference))) + linear
    return total


def floored_mstft(estimate: SpectralFeatures, target: SpectralFeatures) -> float:
    """Computes the metric `mstft_floored` alone: for sounds that were filtered or bridged first.

    Example: `floored_mstft(features, features)` is 0.0.
    """
    return mstft(SpectralComparison(estimate, target), FLOOR)


def lrmsd(pair: SpectralComparison, epsilon: float) -> float:
    """Computes the log-RMS distance: the mean absolute difference of ln(rms + epsilon) over frames."""
    ours, theirs = np.log(pair.gain * pair.estimate.levels + epsilon), np.log(pair.target.levels + epsilon)
    return float(np.mean(np.abs(ours - theirs)))


METRICS = tuple(
    Metric(f"{name}{suffix}", f"{title}{words}", floor, matched, compute)
    for matched, suffix, words in ((False, "", ""), (True, "_matched", ", level-matched"))
    for name, title, floor, compute in (
        ("mstft", "MSTFT", 1e-5, mstft),
        ("mstft_floored", "MSTFT, floor 0.001", FLOOR, mstft),
        ("mstft_floored_high", "MSTFT, floor 0.1", 1e-1, mstft),
        ("lrmsd", "LRMSD", 1e-8, lrmsd),
        ("lrmsd_floored", "LRMSD, floor 0.001", 1e-3, lrmsd),
    )
)
"""The metrics in the order of tables. Lower is better for all."""

HEADLINES = ("mstft_floored", "lrmsd_floored")
"""The two metrics of short tables."""


def matching_gain(estimate: SpectralFeatures, target: SpectralFeatures) -> float:
    """Computes the gain that gives the estimate the target's RMS; 1 if either is silent (below -100 dBFS)."""
    if min(estimate.rms, target.rms) < SILENT_RMS:
        return 1.0
    return target.rms / estimate.rms


def score(estimate: SpectralFeatures, target: SpectralFeatures) -> dict[str, float]:
    """Computes every metric of `METRICS` by name.

    Raises ValueError if the sounds differ in length (see `fit_length`).
    """
    if estimate.samples != target.samples:
        raise ValueError(f"estimate of {estimate.samples} samples, target of {target.samples}")
    plain = SpectralComparison(estimate, target)
    matched = SpectralComparison(estimate, target, matching_gain(estimate, target))
    return {m.name: m.compute(matched if m.matched else plain, m.floor) for m in METRICS}
