"""Paths of the checkout that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout's root."""
CONFIGS = ROOT / "configs"
"""The configurations that ship."""
TRAIN_CONFIGS = CONFIGS / "train"
TINY_CODEC = ROOT / "tests" / "support" / "training" / "tiny_codec.yaml"
"""A configuration of three training steps of a very small codec."""
