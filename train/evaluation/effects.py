"""Effects of the robustness splits: what recordings have and our clips lack.

Source and reference of such a split carry an effect, the target does not. Each effect is a pure function of
audio, float32 [samples], and sample rate in Hz; it keeps length and RMS.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from manifests.splits.seeds import stream

Audio = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

ROBUST = "robust_"
"""Prefix of the names of robustness splits; the effect's name follows."""

REVERB_S, REVERB_WET = 1.2, 0.35
CHORUS_MS, CHORUS_DEPTH_MS, CHORUS_HZ = 18.0, 4.0, 0.8
VIBRATO_HZ, VIBRATO_CENTS = 5.5, 30.0
FILTER_HZ, FILTER_LOW, FILTER_HIGH = 0.7, 500.0, 6000.0


def _match_rms(sound: F64, audio: Audio) -> Audio:
    """Scales `sound` to the RMS of `audio`."""
    rms, wanted = float(np.sqrt(np.mean(sound**2))), float(np.sqrt(np.mean(np.square(audio, dtype=float))))
    return np.asarray(sound * (wanted / rms) if rms > 0.0 else sound, dtype=np.float32)


def reverb(audio: Audio, rate: int) -> Audio:
    """Adds a diffuse room: noise with a reverberation time (RT60) of 1.2 s, 35% wet."""
    time = np.arange(round(REVERB_S * rate)) / rate
    response = (stream(0, "reverb").random(len(time)) - 0.5) * 10.0 ** (-3.0 * time / REVERB_S)
    response /= np.sqrt(np.sum(response**2))
    size = 1 << int(np.ceil(np.log2(len(audio) + len(time))))
    wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(response, size), size)[: len(audio)]
    return _match_rms((1.0 - REVERB_WET) * audio + REVERB_WET * wet, audio)


def _variable_delay(audio: Audio, delay: F64) -> F64:
    """Delay each sample by `delay` [samples], in samples, with linear interpolation."""
    places = np.arange(len(audio)) - delay
    return np.interp(places, np.arange(len(audio)), audio, left=0.0)


def chorus(audio: Audio, rate: int) -> Audio:
    """Adds a second voice, 18 ms late, whose delay varies by 4 ms, 0.8 times a second."""
    phase = 2.0 * np.pi * CHORUS_HZ * np.arange(len(audio)) / rate
    delay = (CHORUS_MS + CHORUS_DEPTH_MS * np.sin(phase)) * rate / 1000.0
    return _match_rms(audio + _variable_delay(audio, delay), audio)


def vibrato(audio: Audio, rate: int) -> Audio:
    """Modulate the pitch by 30 cents, 5.5 times a second."""
    turn = 2.0 * np.pi * VIBRATO_HZ / rate
    depth = (2.0 ** (VIBRATO_CENTS / 1200.0) - 1.0) / turn
    return _match_rms(_variable_delay(audio, depth * (1.0 + np.sin(turn * np.arange(len(audio))))), audio)


def filter_movement(audio: Audio, rate: int) -> Audio:
    """Applies a two-pole low pass whose corner sweeps between 500 Hz and 6 kHz, 0.7 times a second."""
    window, hop = 1024, 256
    padded = np.pad(np.asarray(audio, dtype=np.float64), window)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    shape = np.hanning(window + 1)[:-1]
    middle = (np.arange(len(frames)) * hop - window / 2) / rate
    swing = 0.5 - 0.5 * np.cos(2.0 * np.pi * FILTER_HZ * middle)
    corner = FILTER_LOW * (FILTER_HIGH / FILTER_LOW) ** swing
    hertz = np.arange(window // 2 + 1) * rate / window
    gain = 1.0 / np.sqrt(1.0 + (hertz[None, :] / corner[:, None]) ** 4)
    pieces = np.fft.irfft(np.fft.rfft(frames * shape) * gain, window) * shape
    out, weight = np.zeros(len(padded)), np.zeros(len(padded))
    for index, piece in enumerate(pieces):
        out[index * hop : index * hop + window] += piece
        weight[index * hop : index * hop + window] += shape**2
    return _match_rms((out / np.maximum(weight, 1e-9))[window : window + len(audio)], audio)


EFFECTS: dict[str, Callable[[Audio, int], Audio]] = {
    "reverb": reverb,
    "chorus": chorus,
    "vibrato": vibrato,
    "filter_movement": filter_movement,
}
