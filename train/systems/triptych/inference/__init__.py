"""Converts and describes recordings, by hearing and playing."""
