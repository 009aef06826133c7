"""From recordings to a conversion: hear source and reference, choose, play the tones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from manifests.register import transpose
from manifests.vocabulary import Envelope
from train.notes import envelope_batch
from train.systems.base import Audio, Conversion
from train.systems.triptych.features import HOP
from train.systems.triptych.hearing import Heard, Passage, hear
from train.systems.triptych.playing import play
from train.systems.triptych.timbre import Profile, frame_gain, measure

if TYPE_CHECKING:
    from train.systems.triptych.system import Triptych


def timbre_of(system: Triptych, passage: Passage, envelope: Envelope) -> tuple[Profile, Tensor]:
    """The profile and the vector of a passage, by the notes and the envelope heard in it."""
    seen, notes = passage
    rate, cut = system.format.rate, system.format.cut_fade_ms
    shaped = envelope_batch([envelope]).to(notes.onset_BN.device)
    profile = measure(seen, notes, shaped, system.config, rate, cut)
    gain = frame_gain(notes, shaped, seen.mel_BFM.shape[1], HOP, 2048, rate, cut)
    return profile, system.timbre_encoder(seen.mel_BFM, gain, notes, profile.scale_B)


def convert(
    system: Triptych,
    source: Audio,
    reference: Audio | None,
    take: frozenset[str],
    envelope: Envelope | None,
    octave: int | None,
) -> Conversion:
    """The source's notes with what is taken of the reference; a given envelope or octave goes before both."""
    heard = hear(system, [source] if reference is None else [source, reference])
    ours, theirs = heard[0], heard[-1]
    sounding: Heard = theirs if "timbre" in take else ours
    shaping = theirs if "envelope" in take else ours
    chosen = envelope or shaping.envelope
    octave = sounding.octave if octave is None else octave
    if not ours.notes or sounding.passage is None:
        return Conversion(np.zeros(len(source), dtype=np.float32), (), chosen, octave)
    notes = transpose(ours.notes, 12 * (octave - ours.octave))
    notes = tuple(note for note in notes if 0 <= note.pitch <= 127)
    timbre = timbre_of(system, sounding.passage, sounding.envelope)
    return Conversion(play(system, notes, chosen, *timbre, len(source)), notes, chosen, octave)
