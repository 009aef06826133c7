"""Phrases: musical monophonic lines that are generated from a seed, or cut out of MIDI files."""
