"""Phrase clusters: transposed, shifted and slightly retimed phrases share one."""

from dataclasses import replace

from manifests.synthesis.octaves import transpose
from manifests.types import Note, Notes
from midi.clusters import phrase_clusters

TUNE: Notes = (Note(0.0, 0.5, 60, 90), Note(0.5, 0.25, 64, 80), Note(1.0, 0.5, 62, 100))


def shifted(notes: Notes, seconds: float) -> Notes:
    return tuple(replace(note, onset=note.onset + seconds) for note in notes)


def test_transposed_shifted_and_louder_phrases_share_a_cluster() -> None:
    louder = tuple(replace(note, velocity=127) for note in TUNE)
    assert phrase_clusters([TUNE, transpose(TUNE, 5), shifted(TUNE, 0.25), louder]) == [0, 0, 0, 0]


def test_small_timing_differences_share_a_cluster() -> None:
    nudged = [shifted(TUNE[:1], 0.0) + shifted(TUNE[1:], 0.001 * k) for k in range(0, 100, 20)]
    assert phrase_clusters(nudged[:2]) == [0, 0]
    assert phrase_clusters([nudged[0], nudged[4]]) == [0, 1]
    # Similarity is transitive within a cluster: each is near the next, so all are one cluster, in any order.
    assert phrase_clusters([nudged[0], nudged[4], nudged[1], nudged[3], nudged[2]]) == [0] * 5


def test_other_intervals_or_rhythms_are_other_clusters() -> None:
    other_pitch = (*TUNE[:2], replace(TUNE[2], pitch=61))
    other_rhythm = (*TUNE[:2], replace(TUNE[2], onset=1.25))
    staccato = (*TUNE[:2], replace(TUNE[2], duration=0.25))
    assert phrase_clusters([TUNE, other_pitch, other_rhythm, staccato, TUNE[:2], TUNE]) == [0, 1, 2, 3, 4, 0]


def test_phrases_of_one_file_share_a_cluster() -> None:
    other = transpose(TUNE[:2], 3)
    assert phrase_clusters([TUNE, other, TUNE[:3]], ["a", "", "a"]) == [0, 1, 0]
