"""A local page on which a codec is played: its factors as controls, its recordings side by side."""
