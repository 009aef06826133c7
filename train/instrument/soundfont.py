"""Writes SoundFont 2 files (SoundFont Technical Specification 2.04, 2006): one preset, one instrument.

No library on PyPI writes them: sf2utils and soundfonttools read.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from train.instrument.sampler_envelope import SamplerEnvelope
from train.instrument.samples import Sample

FULL_FALL_DB = 96.0
"""Decibels of a whole fall. The specification says 100; FluidSynth and the first hardware fall by 96."""

KEY_RANGE, SAMPLE_MODES, SAMPLE_ID, INSTRUMENT = 43, 54, 53, 41
ATTACK, HOLD, DECAY, SUSTAIN, RELEASE = 34, 35, 36, 37, 38
INITIAL_ATTENUATION, FILTER_CUTOFF = 48, 8
VELOCITY_CONCAVE, VELOCITY_LINEAR = 0x0502, 0x0102
LOOP_ALWAYS = 1
ZEROS_AFTER_SAMPLE = 46
CONTINUED = 16
"""Samples beyond a loop's end that repeat its start, for interpolation; the specification asks for 8."""


def soundfont(
    name: str, samples: Sequence[Sample], envelope: SamplerEnvelope, rate: int, about: Mapping[str, str]
) -> bytes:
    """Returns the bytes of a SoundFont 2 file.

    Args:
        name: name of the bank, its preset and its instrument; names in the lists hold 20 ASCII characters.
        samples: the samples, in order of pitch.
        envelope: the volume envelope.
        rate: sample rate in Hz.
        about: texts of the INFO list by the specification's names, such as ICOP and ICMT.

    Example: `soundfont("Lead", samples, fit_envelope(envelope), 44_100, {"ICOP": "CC0"})`
    """
    texts = {"isng": "EMU8000", "INAM": name, **about}
    info = _chunk("ifil", struct.pack("<HH", 2, 4))
    for key, text in texts.items():
        info += _chunk(key, _text(text, 256 if key != "ICMT" else 65_536))
    pcm, headers = _sample_data(name, samples, rate)
    data = (
        _list("INFO", info)
        + _list("sdta", _chunk("smpl", pcm))
        + _list("pdta", _articulation(name, samples, envelope) + _chunk("shdr", headers))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(data)) + b"sfbk" + data


def _sample_data(name: str, samples: Sequence[Sample], rate: int) -> tuple[bytes, bytes]:
    """Returns the samples as 16-bit PCM, and their headers."""
    pcm, headers, at = [], b"", 0
    for sample in samples:
        audio = sample.audio_W
        continued = np.concatenate([audio, audio[-sample.loop :][:CONTINUED]])
        ints = np.rint(continued * 32767.0).astype("<i2")
        pcm += [ints.tobytes(), bytes(2 * ZEROS_AFTER_SAMPLE)]
        end = at + len(audio)
        headers += _header(
            f"{name[:16]} {sample.pitch}",
            (at, at + len(ints), end - sample.loop, end, rate),
            sample.pitch,
            round(sample.cents),
        )
        at += len(ints) + ZEROS_AFTER_SAMPLE
    return b"".join(pcm), headers + _header("EOS", (0, 0, 0, 0, 0), 0, 0, 0)


def _header(name: str, places: tuple[int, ...], pitch: int, cents: int, kind: int = 1) -> bytes:
    return struct.pack("<20s5IBbHH", _name(name), *places, pitch, cents, 0, kind)


def _articulation(name: str, samples: Sequence[Sample], envelope: SamplerEnvelope) -> bytes:
    """Returns preset, instrument and their zones. The instrument's first zone holds the envelope for all."""
    global_zone = [
        (ATTACK, timecents(envelope.attack_s)),
        (HOLD, timecents(envelope.hold_s)),
        (DECAY, timecents(FULL_FALL_DB / envelope.decay)),
        (SUSTAIN, round(1000.0 * -20.0 * math.log10(envelope.sustain) / FULL_FALL_DB)),
        (RELEASE, timecents(FULL_FALL_DB / envelope.release)),
        (SAMPLE_MODES, LOOP_ALWAYS),
    ]
    # Half of the default: the amplitude is then velocity / 127, as everywhere in this project. And velocity
    # does not darken the sound.
    modulators = [(VELOCITY_CONCAVE, INITIAL_ATTENUATION, 480), (VELOCITY_LINEAR, FILTER_CUTOFF, 0)]
    zones = [global_zone] + [
        [(KEY_RANGE, sample.low | sample.high << 8), (SAMPLE_ID, index)]
        for index, sample in enumerate(samples)
    ]
    bags, generators = b"", b""
    for index, zone in enumerate(zones):
        bags += struct.pack("<HH", len(generators) // 4, len(modulators) if index else 0)
        generators += b"".join(struct.pack("<Hh", key, value) for key, value in zone)
    bags += struct.pack("<HH", len(generators) // 4, len(modulators))
    packed = b"".join(struct.pack("<HHhHH", source, to, by, 0, 0) for source, to, by in modulators)
    return (
        _chunk("phdr", _preset(name, 0, 0) + _preset("EOP", 0, 1))
        + _chunk("pbag", struct.pack("<4H", 0, 0, 1, 0))
        + _chunk("pmod", bytes(10))
        + _chunk("pgen", struct.pack("<4H", INSTRUMENT, 0, 0, 0))
        + _chunk("inst", struct.pack("<20sH20sH", _name(name), 0, _name("EOI"), len(zones)))
        + _chunk("ibag", bags)
        + _chunk("imod", packed + bytes(10))
        + _chunk("igen", generators + bytes(4))
    )


def _preset(name: str, number: int, bag: int) -> bytes:
    return struct.pack("<20sHHHIII", _name(name), number, 0, bag, 0, 0, 0)


def timecents(seconds: float) -> int:
    """Converts seconds to timecents, 1200 log2(seconds), within the specification's 1 ms to 101 s.

    >>> timecents(2.0), timecents(0.0)
    (1200, -12000)
    """
    return round(min(max(1200.0 * math.log2(max(seconds, 1e-6)), -12_000.0), 8_000.0))


def _name(text: str) -> bytes:
    return text.encode("ascii", "replace")[:19]


def _text(text: str, most: int) -> bytes:
    """Encodes a text with one or two zeros at its end, so that its length is even."""
    encoded = text.encode("ascii", "replace")[: most - 2]
    return encoded + bytes(2 - len(encoded) % 2)


def _chunk(name: str, data: bytes) -> bytes:
    return name.encode("ascii") + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _list(name: str, data: bytes) -> bytes:
    return _chunk("LIST", name.encode("ascii") + data)
