"""Our codec: y(t) = gain(notes, envelope; t) * dry(notes, timbre; t), the gain explicit and exact.

`features` and `encoder` hear, `note_head` writes the notes, `envelope_head` the envelope's numbers,
`timbre` the sound's profile and vector, `decoder` plays notes in a timbre, `system` puts it together.
"""
