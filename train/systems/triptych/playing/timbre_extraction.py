"""Extracts the timbre of a recording: its profile, vectors, tones and level."""

from __future__ import annotations

import torch

from manifests.types import Envelope
from train.nn.gain import envelope_batch
from train.systems.triptych.hearing.analysis_result import Analysis, Passage
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.timbre import Timbre, divide_out_gain, measure_profile
from train.systems.triptych.networks.tones import measure_tones
from train.systems.triptych.playing.loudness import loudest_rms


def extract_timbre(model: TriptychModel, passage: Passage, envelope: Envelope) -> Timbre:
    """Takes the timbre out of a passage, given its estimated notes and envelope.

    Everything is relative to a peak of -1 dBFS, except the profile's `level_B`: that is the recording's own.
    """
    audio_T, features, notes, scale = passage
    rate, cut_fade_ms = model.format.rate, model.format.cut_fade_ms
    envelopes = envelope_batch([envelope]).to(notes.onset_BN.device)
    frames = divide_out_gain(features, notes, envelopes, rate, cut_fade_ms)
    profile = measure_profile(frames, notes, model.config, rate)
    tones = measure_tones(audio_T, notes, envelopes, float(frames.scale_B[0]), rate, cut_fade_ms)
    loudest = loudest_rms(audio_T.cpu().numpy()) / max(scale, 1e-9)
    profile = profile._replace(level_B=torch.full_like(profile.level_B, loudest))
    return Timbre(profile, model.timbre_encoder(frames, notes, rate), tones)


def timbre_of(model: TriptychModel, analysis: Analysis) -> Timbre | None:
    """Extracts the timbre of an analysed recording; None without notes."""
    if analysis.passage is None:
        return None
    return extract_timbre(model, analysis.passage, analysis.envelope)
