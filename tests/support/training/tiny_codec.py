"""A tiny untrained codec, its checkpoint, and clips to analyse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from manifests.dataset.layout import Layout
from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support.synthetic_dataset import CUT_FADE_MS, make_envelope, make_phrase, make_tone
from train.checkpoint import metadata_of, save_weights
from train.config import parse_config
from train.data.tables import Tables
from train.nn.gain import note_batch
from train.systems import build
from train.systems.base import Format
from train.systems.triptych.hearing.analysis_result import Passage
from train.systems.triptych.networks.features import extract_features
from train.systems.triptych.system import Triptych

RATE = 44_100
SIZES = {
    "encoder_width": 16, "encoder_blocks": 1, "envelope_width": 16, "timbre_width": 16, "timbre_dims": 8,
    "decoder_width": 16, "decoder_blocks": 1, "harmonics": 8, "subharmonics": 2, "noise_bands": 4,
}  # fmt: skip


def make_checkpoint(path: Path, layout: Layout, rate: int | None = None, seed: int = 3) -> Path:
    """Writes fresh weights of a tiny codec for the dataset's format (or for another rate)."""
    tables = Tables.open(layout.root)
    config = parse_config({"steps": 1, "seed": seed, "model": SIZES}, "test")
    format = Format(rate or tables.rate, tables.cut_fade_ms, ("one",))
    system = build("triptych", config.model, format, seed)
    metadata = metadata_of(config, system, 1, str(layout.metadata()["fingerprint"]))
    save_weights(path, system.state_dict(), metadata)
    return path


def make_system() -> Triptych:
    """Builds an untrained tiny codec with enough harmonics to play what it measures."""
    model = {**SIZES, "harmonics": 64, "subharmonics": 16, "noise_bands": 24}
    config = parse_config({"steps": 1, "model": model}, "test")
    return build("triptych", config.model, Format(RATE, CUT_FADE_MS, ("one", "two")), seed=4).eval()


def make_clip(
    index: int, seconds: float = 2.0, timbre: int = 0, shift: int = 0
) -> tuple[np.ndarray, tuple[Note, ...], Envelope]:
    """Returns a composed clip of full scale 1, its notes and its envelope."""
    frames = round(seconds * RATE)
    notes, envelope = make_phrase(11, index, seconds), make_envelope(11, index)[1]
    notes = tuple(Note(n.onset, n.duration, n.pitch + shift, n.velocity) for n in notes)
    tones = {n.pitch: make_tone(11, timbre, n.pitch, frames, RATE) for n in notes}
    sound = compose.gain(notes, envelope, RATE, frames, CUT_FADE_MS) * compose.dry(notes, tones, RATE, frames)
    pcm, _ = compose.to_int16(sound, compose.peak_value(-1.0))
    return np.asarray(pcm / np.float32(32767.0), dtype=np.float32), notes, envelope


def make_passage(audio: np.ndarray, notes: tuple[Note, ...]) -> Passage:
    """Returns a recording with known notes, ready for analysis."""
    audio_T = torch.from_numpy(audio)
    features = extract_features(audio_T[None], RATE)
    return Passage(audio_T, features, note_batch([notes], RATE, len(audio)), 1.0)
