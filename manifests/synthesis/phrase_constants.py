"""Constants of generated phrases, shared by the renderer's generator and the trainer's batched one.

`midi.generate` and `midi.rhythm` draw one phrase at a time in NumPy; `train.data.bank.melodies` and
`train.data.bank.rhythms` draw many at once in torch. Given equal uniform numbers they give equal notes, so
a change here changes the bytes of datasets and the training material of tone banks.
"""

from __future__ import annotations

SCALE_STEPS = (-4, -3, -2, -1, 0, 1, 2, 3, 4)
"""Steps between successive notes, in degrees of the scale."""

SCALE_STEP_WEIGHTS = (0.03, 0.04, 0.09, 0.29, 0.06, 0.29, 0.11, 0.05, 0.04)
"""Relative probability of each of `SCALE_STEPS`."""

FARTHEST_DEGREE = 6
"""Degrees from the tonic at which the melody turns back."""

FIRST_DEGREES = (0, 2, 4)
"""Degrees that a melody may begin on: the tonic triad."""

MOTIF_LENGTHS = (2, 3, 4)
"""Steps in a motif, of melodies and of rhythms alike."""

INVERT_PROBABILITY = 0.35
"""Probability that a repetition of the motif is inverted."""

VARY_PROBABILITY = 0.2
"""Probability that a step of the motif is replaced by a new one."""

REPEAT_LAST_PROBABILITY = 0.3
"""Probability that a phrase that already stands on a closing degree ends with a repeated note."""

VELOCITY_WEIGHTS = (0.5, 0.35, 0.15)
"""Shares of a note's velocity: one draw for the phrase, one for the note, and the beat's accent."""

SHORTEST_NOTE_S = 0.1
"""Shortest note, in seconds: its pitch can still be heard."""

ENVELOPE_MARGIN_MS = 10.0
"""Time beyond the longest envelope segment, in ms: the cut fade, and a moment of the level reached."""

LEAD_IN_PROBABILITY = 0.25
"""Probability that a phrase with room to spare begins one grid cell late."""

LEAST_SLOT_WEIGHT = 0.02
"""Least weight of a slot when spare grid cells are dealt out."""

LAST_SLOT_WEIGHT = 0.5
"""Extra weight of the last slot: phrases tend to end on a longer note."""

DETACHED_SHARES = (0.5, 0.75)
"""Shares of its slot that a detached note sounds for; the first has `SHORTER_PROBABILITY`."""

SHORTER_PROBABILITY = 0.5

STACCATO_SHARES = (0.15, 0.5)
"""Range of the share of its slot that a note of a staccato phrase sounds for."""

SHORTEST_STACCATO_S = 0.04
"""Shortest note of a staccato phrase, in seconds; the long note stays as long as in other phrases."""

ROUNDING = 1e-9
"""Tolerance when times are counted in grid cells or compared, against float64 rounding."""
