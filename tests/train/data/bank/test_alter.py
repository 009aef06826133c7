"""Altered timbres of a bank: still gain times dry, altered by their recipes, with their own ids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from manifests.dataset.bank import Bank
from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support.training.tone_bank import same_example, sine_tones, take_examples
from train.data.bank.alter import Recipe, draw_recipe
from train.data.bank.compose import compose_block
from train.data.bank.format import ClipFormat, clip_format
from train.data.bank.tones import Tones
from train.data.tables import Tables

CPU = torch.device("cpu")


def test_altered_timbres_are_gain_times_dry_by_both_algorithms(bank: Bank) -> None:
    tables, format = Tables.open(bank.root), clip_format(bank)
    tones = Tones.load(bank, tables.train_timbres, CPU)
    first, second = tables.train_timbres[:2]
    bands = (6.0, -6.0, 3.0, 0.0, -9.0, 9.0, 0.0, 5.0, -5.0)
    everything = Recipe(second, 0.4, (-8.0, 8.0), bands, 12.0, -30.0, 7, 1, 3)
    block = (tones, [first, second], tables.phrases[:2], tables.envelopes[:2], format)
    plain = compose_block(*block)
    rows, vectorised = (
        compose_block(*block, vectorised=way, recipes=[everything, None]) for way in (False, True)
    )
    assert (rows.pcm_TPEF.int() - vectorised.pcm_TPEF.int()).abs().max() <= 4
    assert torch.equal(rows.pcm_TPEF[1], plain.pcm_TPEF[1])
    assert (rows.pcm_TPEF[0].int() - plain.pcm_TPEF[0].int()).abs().max() > 1000
    for p, notes in enumerate(tables.phrases[:2]):
        dry = []
        for e, envelope in enumerate(tables.envelopes[:2]):
            gain = compose.gain(notes, envelope, format.rate, format.frames, format.cut_fade_ms)
            sound = rows.pcm_TPEF[0, p, e].numpy() / 32767 / float(rows.gain_TPE[0, p, e])
            dry.append(np.where(gain > 0.1, sound / np.maximum(gain, 0.1), np.nan))
        both = ~np.isnan(dry[0]) & ~np.isnan(dry[1])
        assert both.sum() > 10_000
        assert np.abs(dry[0][both] - dry[1][both]).max() < 2e-3 * np.abs(dry[0][both]).max()


def hertz(sound: np.ndarray) -> float:
    """Returns the frequency of the strongest partial in Hz."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 18))
    return float(power.argmax()) * 44_100 / (1 << 18)


@pytest.mark.parametrize("vectorised", [False, True])
def test_octaves_and_formants_are_read_from_other_tones(vectorised: bool) -> None:
    rate, pitches = 44_100, range(57, 70)
    time_s = np.arange(2 * rate) / rate
    # A buzz with the same resonance at 2 kHz at all pitches.
    waves = []
    for pitch in pitches:
        partials = np.arange(1, 20) * 440.0 * 2 ** ((pitch - 69) / 12)
        level = 1.0 / (1.0 + ((partials - 2000.0) / 200.0) ** 2)
        waves.append((level[:, None] * np.sin(2 * np.pi * partials[:, None] * time_s)).sum(0) / 2.0)
    buzz = replace(
        sine_tones(1, 2.0), pcm_S=torch.from_numpy(np.rint(np.concatenate(waves) * 32767).astype("i2"))
    )
    plain = Recipe(None, 0.0, (), (), None, None, 0)
    format, flat = ClipFormat(rate, rate, 32767, 3.0), [Envelope(0.0, 0.0, 1.0, 0.0)]

    def made(tones: Tones, pitch: int, recipe: Recipe) -> np.ndarray:
        notes = (Note(0.0, 1.0, pitch, 127),)
        clips = compose_block(tones, [0], [notes], flat, format, vectorised=vectorised, recipes=[recipe])
        return clips.pcm_TPEF[0, 0, 0].numpy() / 32767

    pure = sine_tones(1, 2.0)
    assert hertz(made(pure, 69, replace(plain, octave=1))) == pytest.approx(880.0, abs=0.5)
    assert hertz(made(pure, 69, replace(plain, octave=-1))) == pytest.approx(220.0, abs=0.5)
    assert hertz(made(pure, 62, replace(plain, formant=5))) == pytest.approx(293.66, abs=0.5)
    for formant in (-5, 3, 5):
        moved = hertz(made(buzz, 62, replace(plain, formant=formant)))
        assert moved == pytest.approx(2000.0 * 2 ** (formant / 12), abs=150.0)
        assert moved / 293.66 == pytest.approx(round(moved / 293.66), abs=0.01), "the pitch stays"


def test_recipes_cover_their_ranges() -> None:
    recipes = [draw_recipe(np.random.default_rng(i), (7,), i, i % 3 - 1) for i in range(600)]
    assert {len(recipe.cents) for recipe in recipes} == {0, 1, 2, 3, 4, 5, 6}
    assert {recipe.formant for recipe in recipes} == {-5, -3, 0, 3, 5}
    for i, recipe in enumerate(recipes):
        assert abs(i % 3 - 1 + recipe.octave) <= 1
        assert (len(recipe.cents) > 0) + (recipe.formant != 0) + (recipe.octave != 0) <= 1
        assert recipe != replace(recipes[0], key=recipe.key) or i == 0
    noises = [recipe.noise_db for recipe in recipes if recipe.noise_db is not None]
    assert -60.0 <= min(noises) < -58.0 < -22.0 < max(noises) <= -20.0


def test_altered_timbres_have_their_own_ids_and_repeat(bank: Bank) -> None:
    examples = take_examples(bank, 24, altered=0.5)
    ids = [example.target.id.timbre for example in examples]
    assert 0 < sum(id >= 6 for id in ids) < len(ids)
    assert all(
        same_example(a, b)
        for a, b in zip(examples, take_examples(bank, 24, altered=0.5, threads=2), strict=True)
    )
    for example in examples:
        assert example.timbre.id.timbre == example.target.id.timbre
