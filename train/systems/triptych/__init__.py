"""The codec. It models a clip as y(t) = gain(notes, envelope; t) * dry(notes, timbre; t), with an exact gain.

`networks` holds the model, `inference` uses a trained one, and `system` trains it.
"""
