"""Writes SFZ instruments with FLAC samples beside them.

The opcodes are of SFZ version 1 (rgc:audio), but for `amp_velcurve_N`, which is in version 1 as well and
which few players lack.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import soundfile

from train.instrument.sampler_envelope import SamplerEnvelope
from train.instrument.samples import Sample

FULL_FALL_DB = 20.0 * 9.0 / math.log(10.0)
"""Decibels by which players fall in `ampeg_decay` and `ampeg_release`: 9 nepers in sfizz, as in ARIA."""


def sfz_text(
    samples: Sequence[Sample], names: Sequence[str], envelope: SamplerEnvelope, about: Mapping[str, str]
) -> str:
    """Returns the text of an SFZ file.

    Args:
        samples: the samples, in order of pitch.
        names: path of each sample's file, from the folder of the SFZ file on.
        envelope: the amplitude envelope.
        about: facts for the comments at its beginning, by name.

    Example: `sfz_text(samples, ["samples/060.flac"], fit_envelope(envelope), {"licence": "CC0"})`
    """
    lines = [f"// {name}: {' '.join(text.split())}" for name, text in about.items()]
    lines += [
        "",
        "<control>",
        # Samples are short: players need not stream them.
        "hint_ram_based=1",
        "<global>",
        "loop_mode=loop_continuous",
        f"ampeg_attack={envelope.attack_s:.5f}",
        f"ampeg_hold={envelope.hold_s:.5f}",
        f"ampeg_decay={FULL_FALL_DB / envelope.decay:.5f}",
        f"ampeg_sustain={100.0 * envelope.sustain:.4f}",
        f"ampeg_release={FULL_FALL_DB / envelope.release:.5f}",
        # Amplitude is velocity / 127.
        f"amp_velcurve_1={1 / 127:.6f}",
        "amp_velcurve_127=1",
    ]
    for sample, name in zip(samples, names, strict=True):
        end = len(sample.audio_W)
        lines += [
            "",
            "<region>",
            f"sample={name}",
            f"lokey={sample.low} hikey={sample.high} pitch_keycenter={sample.pitch}"
            f" tune={round(sample.cents)}",
            # The last sample of an SFZ loop is in the loop.
            f"loop_start={end - sample.loop} loop_end={end - 1}",
        ]
    return "\n".join(lines) + "\n"


def flac(sample: Sample, rate: int, tags: Mapping[str, str]) -> bytes:
    """Returns a sample as a 16-bit FLAC file, with tags such as title, license and comment.

    The file goes on for a few samples beyond the loop's end, for players that read ahead.

    Example: `flac(samples[0], 44_100, {"license": "CC0"})`
    """
    audio = np.concatenate([sample.audio_W, sample.audio_W[-sample.loop :][:64]])
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, "PCM_16", format="FLAC") as file:
        for name, text in tags.items():
            setattr(file, name, text)
        file.write(np.rint(audio * 32767.0).astype(np.int16))
    return buffer.getvalue()
