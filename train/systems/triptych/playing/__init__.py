"""Plays notes in a timbre: takes timbres from recordings, and synthesises with them."""
