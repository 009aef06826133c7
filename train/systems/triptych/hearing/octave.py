"""Chooses the octave of a recording's timbre, and transposes notes by octaves."""

from __future__ import annotations

from typing import NamedTuple

import torch

from manifests.synthesis.octaves import transpose
from manifests.types import Notes
from train.systems.triptych.hearing.analysis_result import Analysis
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.octave_head import FARTHEST
from train.systems.triptych.networks.timbre import Timbre

SURE_OCTAVE = 0.6
"""Probability from which the octave of a conversion is not doubted."""


class OctaveChoice(NamedTuple):
    """The most probable octave of a timbre, and its probability 0..1."""

    octave: int
    probability: float


def choose_octave(model: TriptychModel, analysis: Analysis, timbre: Timbre | None) -> OctaveChoice:
    """Chooses the most probable octave of a recording's timbre, see `networks.octave_head`.

    Without a timbre, so without notes, the octave is 0.
    """
    if timbre is None:
        return OctaveChoice(0, 1.0)
    sounding_B = torch.tensor([analysis.sounding_octave], device=timbre.vectors.device)
    probability_O = model.octave_head(timbre.vectors[:, 0], sounding_B)[0].exp()
    best = int(probability_O.argmax())
    return OctaveChoice(best - FARTHEST, float(probability_O[best]))


def shift_octaves(notes: Notes, octaves: int) -> Notes:
    """Transposes notes by octaves, and drops those that leave MIDI's range of 0 to 127."""
    return tuple(note for note in transpose(notes, 12 * octaves) if 0 <= note.pitch <= 127)


def octave_doubts(source: OctaveChoice, reference: OctaveChoice) -> tuple[str, ...]:
    """Writes a doubt about the octave of a conversion if another one is nearly as probable."""
    certainty = source.probability * reference.probability
    if certainty >= SURE_OCTAVE:
        return ()
    return (
        f"octave: {reference.octave - source.octave:+d} from source to reference is {certainty:.0%} sure: a"
        " register of the phrase and an octave of the timbre sound alike; see --octave",
    )
