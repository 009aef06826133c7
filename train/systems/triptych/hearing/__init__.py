"""Hears a recording: its notes, envelope and octave, and how sure they are."""
