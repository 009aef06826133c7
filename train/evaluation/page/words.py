"""What the page says of kinds of conversion and of splits."""

from __future__ import annotations

from train.evaluation.effects import ROBUST

TAKEN = {
    "timbre": (
        "Timbre from the reference",
        "The source's notes and envelope, in the reference's sound.",
    ),
    "envelope": (
        "Envelope from the reference",
        "The source's notes and sound, in the reference's envelope.",
    ),
    "both": (
        "Timbre and envelope from the reference",
        "The source's notes, in the reference's sound and envelope.",
    ),
    "reconstruction": (
        "Reconstruction",
        "A clip made again from itself.",
    ),
    "number": (
        "Envelope set by number",
        "The source's notes and sound; the envelope is given in ms, and no recording has it.",
    ),
}
"""Title and sentence of each kind."""

HELD_OUT = (
    " Below, clips it was not trained on: what it was given, what it should have made, and what it made."
)

SPLIT_WORDS = {
    "train": "clips that the codec was trained on: they say nothing about other sounds",
    "validation": "every timbre, envelope and phrase was heard in training, but in other combinations;"
    " the weights kept are those that scored best on a few such clips",
    "test_unseen_timbre": "timbres never heard in training",
    "test_unseen_envelope": "envelopes never heard in training",
    "test_unseen_phrase": "phrases never heard in training",
    "test_unseen_all": "timbres, envelopes and phrases, none of them heard in training",
    "test_unseen_synth": "a synth never heard in training",
}


def split_words(split: str) -> str:
    """What a split is, in words; empty for one that a user named."""
    if split.startswith(ROBUST):
        effect = split.removeprefix(ROBUST).replace("_", " ")
        return f"source and reference were heard with {effect}; the target is as it is"
    return SPLIT_WORDS.get(split, "")


def split_title(split: str) -> str:
    """`test_unseen_timbre` as words: `unseen timbre`."""
    return split.removeprefix("test_").replace("_", " ")
