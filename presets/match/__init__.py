"""Finds the presets of a scanned synth that sound most like a recording."""
