"""The renderer: from a config to a dataset folder, in two stages (tones, then clips)."""
