"""The octave head: stated priors before training, and shares of registers from it."""

from __future__ import annotations

import pytest
import torch

from train.systems.triptych.networks.octave_head import FARTHEST, OctaveHead


def octaves(head: OctaveHead, *sounding: int) -> list[int]:
    log_BO = head(torch.zeros(len(sounding), 8), torch.tensor(sounding))
    assert torch.allclose(log_BO.exp().sum(-1), torch.ones(len(sounding)))
    return (log_BO.argmax(-1) - FARTHEST).tolist()


def test_before_training_a_timbre_sounds_where_it_is_played() -> None:
    assert octaves(OctaveHead(8), -1, 0, 1) == [0, 0, 0]


def test_without_registers_in_training_the_timbre_explains_the_octave() -> None:
    head = OctaveHead(8)
    head.set_registers([0] * 64)
    assert octaves(head, -2, -1, 0, 1) == [-2, -1, 0, 1]


def test_shares_are_those_of_all_phrases() -> None:
    head = OctaveHead(8)
    head.set_registers([0, 1, 1, -1] * 50)
    assert head.register_shares[FARTHEST + 1] == pytest.approx(0.5, abs=0.01)
    assert head.register_shares.sum() == pytest.approx(1.0)


def test_the_classifier_learns_from_the_timbre() -> None:
    head = OctaveHead(8)
    vector_BD = torch.eye(8)[:2].repeat(4, 1)
    octave_B = torch.tensor([-1, 0] * 4)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        head.loss(vector_BD, octave_B).backward()
        optimiser.step()
    log_BO = head(vector_BD[:2], torch.tensor([-1, -1]))
    assert (log_BO.argmax(-1) - FARTHEST).tolist() == [-1, 0]
