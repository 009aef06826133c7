"""Recipes of altered timbres: what is drawn, and that every recipe does something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from manifests.synthesis.recipe import ONE_SHOT_ROOTS, ONE_SHOT_WIDTH, draw_recipe, zone_count, zone_root


def test_recipes_cover_their_ranges() -> None:
    recipes = [draw_recipe(np.random.default_rng(i), (7,), i, i % 3 - 1) for i in range(600)]
    assert {len(recipe.cents) for recipe in recipes} == {0, 1, 2, 3, 4, 5, 6}
    assert {recipe.formant for recipe in recipes} == {-5, -3, 0, 3, 5}
    for i, recipe in enumerate(recipes):
        assert abs(i % 3 - 1 + recipe.octave) <= 1
        shifts = (len(recipe.cents) > 0, recipe.formant != 0, recipe.octave != 0, recipe.zone is not None)
        assert sum(shifts) <= 1
        assert recipe.semitones == 12 * (i % 3 - 1 + recipe.octave)
        assert recipe != replace(recipes[0], key=recipe.key) or i == 0
    for name in ("zone", "inharmonic", "motion", "breath"):
        assert 0.4 < np.mean([getattr(recipe, name) is not None for recipe in recipes]) < 0.6
    assert {recipe.zone[0] for recipe in recipes if recipe.zone} == {2, 3, 4, 5, 128}
    kinds = [recipe.motion.kind for recipe in recipes if recipe.motion]
    assert min(kinds.count(kind) for kind in set(kinds)) > 30
    assert len(set(kinds)) == 5
    noises = [recipe.noise_db for recipe in recipes if recipe.noise_db is not None]
    assert -60.0 <= min(noises) < -58.0 < -22.0 < max(noises) <= -20.0


def test_a_recipe_without_a_second_timbre_has_a_step_all_the_same() -> None:
    names = ("cents", "equaliser_db", "octave", "formant", "zone", "inharmonic", "motion", "breath")
    for i in range(600):
        recipe = draw_recipe(np.random.default_rng(i), (), i, 0)
        assert recipe.layer is None
        others = (recipe.drive_db is not None, recipe.noise_db is not None)
        assert any(others) or any(getattr(recipe, name) for name in names)


def test_a_one_shot_reads_all_pitches_from_one_tone() -> None:
    zones = [draw_recipe(np.random.default_rng(i), (), i, 0).zone for i in range(2000)]
    drawn = [zone for zone in zones if zone is not None]
    one_shots = [zone for zone in drawn if zone[0] == ONE_SHOT_WIDTH]
    assert 0.12 < len(one_shots) / len(drawn) < 0.18
    roots = {zone: {zone_root(pitch, *zone) for pitch in range(12, 115)} for zone in one_shots}
    assert {len(of) for of in roots.values()} == {1}
    assert {min(of) for of in roots.values()} == set(range(ONE_SHOT_ROOTS[0], ONE_SHOT_ROOTS[1] + 1))
    for width, offset in set(drawn):
        numbers = [(pitch + width - offset) // width for pitch in range(128)]
        assert 0 <= min(numbers) <= max(numbers) < zone_count(width)
