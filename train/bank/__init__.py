"""Composing clips from a tone bank on the training device: tones, sampled material, arithmetic, loader."""
