"""A real but untrained, tiny codec as a checkpoint: for tests of what is built around a codec."""

from __future__ import annotations

from pathlib import Path

from manifests.layout import Layout
from train.checkpoint import metadata_of, save_weights
from train.config import parse_config
from train.data.tables import Tables
from train.systems import build
from train.systems.base import Format

SIZES = {
    "encoder_width": 16, "encoder_blocks": 1, "envelope_width": 16, "timbre_width": 16, "timbre_dims": 8,
    "decoder_width": 16, "decoder_blocks": 1, "harmonics": 8, "halves": 2, "noise_bands": 4,
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
