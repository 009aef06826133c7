"""Recipes as numbers of a timbre's parameters: exact both ways, and the plugin's own stay apart."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from manifests.dataset.canonical import canonical_json
from manifests.dataset.schema import schema
from manifests.synthesis.recipe import Recipe, draw_recipe
from manifests.synthesis.recipe_parameters import KEY_BITS, is_altered, split_parameters, to_parameters

OWN = {"cutoff": 812.5, "zone_width": 3.0}


def test_every_recipe_comes_back_exactly_from_a_table() -> None:
    kind = schema("timbres").field("parameters").type
    for i in range(400):
        recipe = draw_recipe(np.random.default_rng(i), (), (1 << KEY_BITS) - 1 - i, i % 3 - 1)
        stated = {**OWN, **to_parameters(recipe)}
        row = pa.array([stated], kind).to_pylist(maps_as_pydicts="strict")[0]
        assert split_parameters(row) == (OWN, replace(recipe, share=0.0))
        assert json.loads(canonical_json(stated)) == stated


def test_a_plain_timbre_has_no_recipe() -> None:
    assert not is_altered(OWN)
    assert split_parameters(OWN) == (OWN, None)


def test_what_no_row_can_state_is_refused() -> None:
    for recipe in (
        Recipe(3, 0.5, (), (), None, None, 7),
        Recipe(None, 0.5, (), (), None, None, 1 << KEY_BITS),
    ):
        with pytest.raises(ValueError, match="second layer"):
            to_parameters(recipe)
