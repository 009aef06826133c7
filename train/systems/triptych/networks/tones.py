"""Takes the tones of a recording: each of its notes from the onset on, with the gain divided out.

A tone holds what no list of levels does: beats, unison, inharmonic partials, breath, and how a sound develops
from its onset. `tone_reading` plays tones at other pitches and lengths.

Shape suffixes: T samples of a clip, N tones, S samples of all tones, W samples of a tone, V of its fade.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.dsp.similarity import end_similarity
from train.nn.gain import EnvelopeBatch, NoteBatch, clip_gain
from train.systems.triptych.networks.tone_level import TONE_RMS

QUIETEST = 0.05
"""Gain, relative to the highest of a note, below which it is not divided out: -26 dB."""

ONSET_FADE_S, ONSET_FADE_SHARE = 0.002, 0.2
"""Longest fade at the beginning of a tone in seconds, and its longest share of the attack."""

SHORTEST_S, LONGEST_S = 0.03, 4.0
"""Shortest stretch of a note that is a tone, and the longest that is kept, in seconds."""

MOST_TONES = 32
"""Most tones of a timbre; each has a pitch of its own."""

SHORTEST_LOOP_S, LONGEST_LOOP_S, MATCH_S = 0.2, 0.8, 0.05
"""Limits of a loop in seconds, and the stretch at its end that is matched with what precedes its start."""

PADDING = 16
"""Zeros that are stored after each tone, so that interpolation at its end reads no other tone."""


class Tones(NamedTuple):
    """The tones of one recording, one for each pitch, one after the other. Times are in samples.

    Attributes:
        pcm_S: their samples, and `PADDING` zeros after each, int16.
        scale_N: what their samples are multiplied by, so that tones have an RMS near 0.1.
        length_N: usable samples of each, int64.
        loop_N: length of the loop at its end, int64.
        pitch_N: MIDI pitch, float32.
        level_N: natural logarithm of its RMS over 0.1.
    """

    pcm_S: Tensor
    scale_N: Tensor
    length_N: Tensor
    loop_N: Tensor
    pitch_N: Tensor
    level_N: Tensor


@torch.no_grad()
def measure_tones(
    audio_T: Tensor, notes: NoteBatch, envelope: EnvelopeBatch, scale: float, rate: int, cut_fade_ms: float
) -> Tones | None:
    """Divides the gain out of a clip, and keeps the longest usable stretch for each pitch from its onset on.

    Where the gain is below `QUIETEST`, at the start of an attack, it is divided by that share: the tone then
    fades in. Returns None if no note is long and loud enough.

    Args:
        audio_T: the clip, without constant offsets.
        notes: its notes as a batch of one clip, times in samples.
        envelope: its envelope, as a batch of one.
        scale: RMS of the clip at unit gain.
        rate: sample rate in Hz.
        cut_fade_ms: fade at the end of a cut note, in ms.
    """
    at_T = torch.arange(len(audio_T), device=audio_T.device).float()
    gain_T = clip_gain(notes, envelope, at_T[None], rate, cut_fade_ms)[0]
    best: dict[float, tuple[Tensor, float]] = {}
    fields = (notes.onset_BN, notes.end_BN, notes.pitch_BN, notes.mask_BN)
    for onset, end, pitch, real in zip(*(part[0].tolist() for part in fields), strict=True):
        start, stop = round(onset), min(round(end), len(audio_T))
        highest = float(gain_T[start:stop].max()) if real and stop - start >= SHORTEST_S * rate else 0.0
        if highest <= 0.0:
            continue
        floor = QUIETEST * highest
        length = min(int((gain_T[start:stop] >= floor).nonzero()[-1]) + 1, round(LONGEST_S * rate))
        if length < SHORTEST_S * rate or (pitch in best and len(best[pitch][0]) >= length + PADDING):
            continue
        sound_W, gain_W = audio_T[start : start + length], gain_T[start : start + length]
        loud_W = gain_W >= floor
        # By power, so that quiet samples, where the gain is uncertain, count little.
        power = float((sound_W * loud_W).square().sum() / (gain_W * loud_W).square().sum())
        if power > 1e-10 * scale**2:
            dry_W = sound_W / gain_W.clamp(min=floor) * (TONE_RMS / scale)
            fade_V = _fade_in(envelope, rate).to(dry_W)[:length]
            dry_W[: len(fade_V)] *= fade_V
            best[pitch] = F.pad(dry_W, (0, PADDING)), power**0.5 / scale
    if not best:
        return None
    longest = sorted(best, key=lambda pitch: (-len(best[pitch][0]), pitch))[:MOST_TONES]
    return pack_tones({pitch: best[pitch] for pitch in sorted(longest)}, rate)


def _fade_in(envelope: EnvelopeBatch, rate: int) -> Tensor:
    """Computes a raised cosine over the beginning of an attack, of its length: float32 [V].

    An onset that is stated a millisecond early holds the end of the note before. Divided by a small gain,
    that end would be a click at the onset of every note.
    """
    fade = min(ONSET_FADE_S, ONSET_FADE_SHARE * float(envelope.attack[0]) / 1000.0) * rate
    share_V = torch.arange(math.ceil(fade)) / max(fade, 1.0)
    return 0.5 - 0.5 * (math.pi * share_V).cos()


def pack_tones(tones: dict[float, tuple[Tensor, float]], rate: int) -> Tones:
    """Stores tones as int16 with a scale each, and finds their loops.

    Args:
        tones: by MIDI pitch, a tone's samples with `PADDING` zeros after them, float32, and its RMS over 0.1.
        rate: sample rate in Hz.
    """
    device = next(iter(tones.values()))[0].device
    sounds = [sound for sound, _ in tones.values()]
    scale_N = torch.stack([sound.abs().max().clamp(min=1e-9) / 32767.0 for sound in sounds])
    pcm = [(sound / scale).round().to(torch.int16) for sound, scale in zip(sounds, scale_N, strict=True)]
    return Tones(
        torch.cat(pcm),
        scale_N,
        torch.tensor([len(sound) - PADDING for sound in sounds], device=device),
        torch.tensor([find_loop(sound[:-PADDING].cpu().numpy(), rate) for sound in pcm], device=device),
        torch.tensor(list(tones), dtype=torch.float32, device=device),
        torch.tensor([level for _, level in tones.values()], device=device).log(),
    )


def find_loop(pcm_W: npt.NDArray[np.int16], rate: int) -> int:
    """Finds the loop length at which a tone's end is most similar to what precedes the loop, in samples.

    A loop is `SHORTEST_LOOP_S` to `LONGEST_LOOP_S` long, less in a short tone.
    """
    length = len(pcm_W)
    width = min(round(MATCH_S * rate), length // 4)
    most = min(round(LONGEST_LOOP_S * rate), length - width)
    least = min(round(SHORTEST_LOOP_S * rate), length // 3)
    tone_1W = pcm_W[None].astype(np.float64)
    similarity = end_similarity(tone_1W[:, length - width - most : length - least], tone_1W[:, -width:])
    # The first entry is that of the longest loop.
    return most - int(similarity.argmax())
