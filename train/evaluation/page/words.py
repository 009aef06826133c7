"""Texts of the page about kinds of conversion and splits."""

from __future__ import annotations

from train.evaluation.effects import ROBUST

KIND_TEXTS = {
    "timbre": (
        "Timbre from the reference",
        "The source's notes and envelope with the reference's timbre.",
    ),
    "envelope": (
        "Envelope from the reference",
        "The source's notes and timbre with the reference's envelope.",
    ),
    "both": (
        "Timbre and envelope from the reference",
        "The source's notes with the reference's timbre and envelope.",
    ),
    "reconstruction": (
        "Reconstruction",
        "A clip that is converted to itself.",
    ),
    "number": (
        "Envelope set by number",
        "The source's notes and timbre; the envelope is given in ms, and no recording has it.",
    ),
}
"""Title and sentence of each kind of conversion."""

HELD_OUT = " Below are clips that it was not trained on: its inputs, the true answer, and its conversion."

SPLIT_WORDS = {
    "train": "clips that the codec was trained on: they say nothing about other sounds",
    "validation": "every timbre, envelope and phrase was part of training, but in other combinations;"
    " the weights kept are those that scored best on a few such clips",
    "test_unseen_timbre": "timbres that were not part of training",
    "test_unseen_envelope": "envelopes that were not part of training",
    "test_unseen_phrase": "phrases that were not part of training",
    "test_unseen_all": "timbres, envelopes and phrases, none of which was part of training",
    "test_unseen_synth": "a synth that was not part of training",
}


def split_words(split: str) -> str:
    """Describes a split; empty for one that a user named."""
    if split.startswith(ROBUST):
        effect = split.removeprefix(ROBUST).replace("_", " ")
        return f"source and reference have {effect} added; the target has not"
    return SPLIT_WORDS.get(split, "")


def split_title(split: str) -> str:
    """Returns a split's name as words.

    Example:
        >>> split_title("test_unseen_timbre")
        'unseen timbre'
    """
    return split.removeprefix("test_").replace("_", " ")
