"""From recordings to a conversion: hear source and reference, choose, write the gain, play the tones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from manifests.register import octave_of, transpose
from manifests.vocabulary import Envelope, Notes
from train.notes import EnvelopeBatch, NoteBatch, clip_gain, envelope_batch, note_batch
from train.systems.base import Audio, Conversion
from train.systems.triptych.decoder import HOP as DECODER_HOP
from train.systems.triptych.envelope_head import from_units
from train.systems.triptych.features import HOP, LEVEL_HOP, Features, features
from train.systems.triptych.fitting import fit_envelopes
from train.systems.triptych.note_head import read_notes
from train.systems.triptych.timbre import TONE_RMS, Profile, frame_gain, measure

if TYPE_CHECKING:
    from train.systems.triptych.system import Triptych

PEAK = 10.0 ** (-1.0 / 20.0)
"""Clips are normalised to -1 dBFS before they are heard."""

FULL_SCALE = 0.999
"""No sample of a conversion is larger than this."""

ROWS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Heard:
    """What the codec hears in one clip of `samples`: notes as they sound, the envelope, and its features."""

    notes: Notes
    envelope: Envelope
    audio_1T: Tensor
    features: Features

    @property
    def octave(self) -> int:
        return octave_of(heard_median(self.notes)) if self.notes else 0


TIE = 0.02
"""Of the sounding time: notes within so little of half of it are taken to be exactly half."""


def heard_median(notes: Notes) -> int:
    """`manifests.register.median_pitch` of notes whose durations are heard, so not exact.

    On a grid of times the lower pitches often sound for exactly half the time. The definition then takes
    the lower pitch, and a few ms too much anywhere must not turn that into another octave.
    """
    ordered = sorted(notes, key=lambda note: note.pitch)
    total = sum(note.duration for note in ordered)
    passed = 0.0
    for note in ordered:
        passed += note.duration
        if passed >= (0.5 - TIE) * total:
            return note.pitch
    raise ValueError("heard_median of no notes")


def hear(system: Triptych, audio: Audio) -> Heard:
    """Notes, velocities and envelope of a recording [n] at the codec's rate."""
    rate = system.format.rate
    device = next(system.parameters()).device
    loudest = float(np.max(np.abs(audio), initial=0.0))
    sound = torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32)).to(device)[None]
    sound = sound * (PEAK / loudest if loudest > 0.0 else 0.0)
    seen = features(sound, rate)
    logits = system.encoder(seen)
    notes = read_notes(logits, 0, seen.level_BL[0], LEVEL_HOP, rate, sound.shape[1])
    if not notes:
        return Heard((), Envelope(10.0, 100.0, 0.5, 100.0), sound, seen)
    batch = note_batch([notes], rate, sound.shape[1]).to(device)
    guess = system.envelope_head(seen.level_BL, batch)
    fitted = fit_envelopes(seen.level_BL, batch, guess.clip_BP, rate, system.format.cut_fade_ms)
    envelope = to_envelope(from_units(fitted.units_BP))
    notes = with_offs(notes, fitted.off_BN[0], batch, rate)
    notes = with_velocities(system, notes, envelope, seen.level_BL, sound.shape[1])
    return Heard(notes, envelope, sound, seen)


def to_envelope(batch: EnvelopeBatch) -> Envelope:
    """The first envelope of a batch as the contract's dataclass."""
    attack, hold, decay, sustain, release, curve = (float(value.flatten()[0]) for value in batch)
    return Envelope(attack, decay, sustain, release, hold, "exponential" if curve > 0.5 else "linear")


def with_offs(notes: Notes, off_N: Tensor, batch: NoteBatch, rate: int) -> Notes:
    """The notes with other note-offs (in samples), to 1 ms; a legato note ends where the next begins."""
    ended = []
    for note, off, end in zip(notes, off_N.tolist(), batch.end_BN[0].tolist(), strict=True):
        last = end if end - off < 0.004 * rate else off
        ended.append(replace(note, duration=max(round(last / rate, 3) - note.onset, 0.001)))
    return tuple(ended)


def with_velocities(
    system: Triptych, notes: Notes, envelope: Envelope, level_BL: Tensor, samples: int
) -> Notes:
    """Velocities from how loud each note is for its envelope, the loudest note at 127."""
    rate = system.format.rate
    batch = note_batch([notes], rate, samples).to(level_BL.device)
    at = (torch.arange(level_BL.shape[1], device=level_BL.device) * float(LEVEL_HOP))[None]
    gain = clip_gain(
        batch, envelope_batch([envelope]).to(level_BL.device), at, rate, system.format.cut_fade_ms
    )
    own = (at[:, None] >= batch.onset_BN[..., None]) & (at[:, None] < batch.end_BN[..., None])
    heard = (level_BL[:, None] * own).sum(-1)
    expected = (gain.square()[:, None] * own).sum(-1).clamp(min=1e-6)
    ratio = (heard / expected).sqrt()[0]
    relative = (ratio / ratio.max().clamp(min=1e-9) * 127.0).round().clamp(1, 127).long().tolist()
    return tuple(replace(note, velocity=int(value)) for note, value in zip(notes, relative, strict=True))


def timbre_of(system: Triptych, heard: Heard) -> tuple[Profile, Tensor]:
    """The profile and the vector of a clip, by the notes and the envelope heard in it."""
    device, samples = heard.audio_1T.device, heard.audio_1T.shape[1]
    rate, cut = system.format.rate, system.format.cut_fade_ms
    notes = note_batch([heard.notes], rate, samples).to(device)
    envelope = envelope_batch([heard.envelope]).to(device)
    profile = measure(heard.features, notes, envelope, system.config, rate, cut)
    gain = frame_gain(notes, envelope, heard.features.mel_BFM.shape[1], HOP, 2048, rate, cut)
    return profile, system.timbre_encoder(heard.features.mel_BFM, gain, notes, profile.scale_B)


def convert(
    system: Triptych,
    source: Audio,
    reference: Audio | None,
    take: frozenset[str],
    envelope: Envelope | None,
    octave: int | None,
) -> Conversion:
    """The source's notes with what is taken of the reference; a given envelope or octave goes before both."""
    ours = hear(system, source)
    theirs = hear(system, reference) if reference is not None else ours
    sounding = theirs if "timbre" in take else ours
    shaping = theirs if "envelope" in take else ours
    chosen = envelope or shaping.envelope
    octave = sounding.octave if octave is None else octave
    if not ours.notes or not sounding.notes:
        return Conversion(np.zeros(len(source), dtype=np.float32), (), chosen, octave)
    notes = transpose(ours.notes, 12 * (octave - ours.octave))
    notes = tuple(note for note in notes if 0 <= note.pitch <= 127)
    audio = play(system, notes, chosen, *timbre_of(system, sounding), len(source))
    return Conversion(audio, notes, chosen, octave)


def play(
    system: Triptych, notes: Notes, envelope: Envelope, profile: Profile, vector: Tensor, samples: int
) -> Audio:
    """Notes in a timbre, shaped by an envelope: float32 [samples].

    As loud as a clip of this timbre is whose peak is normalised, and never above full scale.
    """
    device, rate = vector.device, system.format.rate
    batch = note_batch([notes], rate, samples).to(device)
    at = torch.arange(samples, device=device, dtype=torch.float32)[None]
    gain = clip_gain(batch, envelope_batch([envelope]).to(device), at, rate, system.format.cut_fade_ms)[0]
    dry = torch.zeros(samples, device=device)
    for rows in rows_by_length(notes, envelope, batch, rate):
        lengths = [length for _, length in rows]
        pitch = torch.tensor([float(notes[index].pitch) for index, _ in rows], device=device)
        clip = torch.zeros(len(rows), dtype=torch.long, device=device)
        longest = -(-max(lengths) // DECODER_HOP) * DECODER_HOP
        tones = system.decoder(profile, vector, clip, pitch, torch.zeros_like(pitch), longest)
        for tone, (index, length) in zip(tones, rows, strict=True):
            onset = int(batch.onset_BN[0, index])
            dry[onset : onset + length] = tone[:length]
    sound = (gain * dry).cpu().numpy()
    highest = float(gain.max())
    factor = float(profile.level_B[0]) / (TONE_RMS * highest) if highest > 0.0 else 0.0
    loudest = float(np.max(np.abs(sound), initial=0.0)) * factor
    return np.asarray(sound * (factor / max(1.0, loudest / FULL_SCALE)), dtype=np.float32)


def rows_by_length(
    notes: Notes, envelope: Envelope, batch: NoteBatch, rate: int
) -> list[list[tuple[int, int]]]:
    """(note, samples to play) of every note that is heard, in groups of like lengths."""
    release = envelope.release_ms * rate / 1000.0 + 2.0
    rows = []
    for index in range(len(notes)):
        onset, off, end = (float(tensor[0, index]) for tensor in (batch.onset_BN, batch.off_BN, batch.end_BN))
        length = int(min(end, off + release) - onset)
        if length > 0:
            rows.append((index, length))
    rows.sort(key=lambda row: row[1])
    return [rows[i : i + ROWS_AT_ONCE] for i in range(0, len(rows), ROWS_AT_ONCE)]
