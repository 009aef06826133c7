"""The renderer's altered tones (NumPy) and the trainer's altered phrases (torch) are the same sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.synthesis.recipe import MOTIONS, Inharmonic, Motion, Recipe, draw_recipe
from manifests.types import Envelope, Note
from presets.analysis.levels import without_rumble
from presets.host.client import SnapshotHost
from presets.synths.synth import open_synth
from presets.tones.altering import alter_tone_set, altered_tones
from presets.tones.loops import add_loops
from presets.tones.making import ToneSpec, make_tone_set
from presets.tones.tone_set import ToneSet
from train.data.bank.alter import apply_recipe
from train.data.bank.compose import compose_block
from train.data.bank.format import ClipFormat
from train.data.bank.modulate import Timeline
from train.data.bank.pitch_shift import PitchShiftTable, Reading, tones_per_note
from train.data.bank.tones import Tones

RATE, FRAMES = 44_100, 66_150
CPU = torch.device("cpu")
RECIPES = [draw_recipe(stream(place, "agreement"), (), 1000 * place, 0) for place in range(52)]
PLAIN = Recipe(None, 0.0, (), (), None, None, 7)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ToneSet:
    """Makes ten tones of a real preset."""
    synth = open_synth("builtin")
    with SnapshotHost(synth, scratch=tmp_path_factory.mktemp("host")) as host:
        return make_tone_set(host, synth, synth.preset("named/oboe"), ToneSpec(RATE, FRAMES / RATE, 57, 66))


def in_a_bank(plain: ToneSet) -> Tones:
    """Returns a tone set as a bank holds it, as timbre 0."""
    longer, starts = add_loops(np.asarray(plain.samples), RATE)
    count, length = longer.shape
    pitches = tuple(plain.by_pitch())
    return Tones(
        torch.from_numpy(longer.ravel()), torch.arange(count)[None] * length, torch.from_numpy(starts)[None],
        torch.full((1, count), length), torch.from_numpy(plain.scales)[None], {0: 0}, pitches, length,
    )  # fmt: skip


def by_the_trainer(plain: ToneSet, recipe: Recipe, pitch: int) -> np.ndarray:
    """Plays one note by a recipe in torch; rumble is removed, as the renderer does."""
    tones, shifts, notes = in_a_bank(plain), PitchShiftTable(FRAMES, CPU), (Note(0.0, 1.5, pitch, 127),)

    def read(other: int | None, reading: Reading) -> torch.Tensor:
        out_F = np.empty(FRAMES, dtype=np.float32)
        tones_per_note(tones, 0, notes, compose.spans(notes, RATE, FRAMES), shifts, out_F, reading)
        return torch.from_numpy(out_F)

    timeline = Timeline(torch.full((FRAMES,), pitch), torch.arange(FRAMES))
    return without_rumble(apply_recipe(recipe, read, timeline, RATE, pitch).numpy(), RATE)


def error_db(made: np.ndarray, wanted: np.ndarray) -> float:
    """Returns the level of the difference below that of the sound, after the best gain."""
    gain = (wanted @ made) / (made @ made)
    return float(10 * np.log10(np.sum((wanted - gain * made) ** 2) / np.sum(wanted**2)))


def test_the_recipes_hold_every_step() -> None:
    for name in ("cents", "equaliser_db", "drive_db", "octave", "formant", "zone", "inharmonic", "breath"):
        assert any(getattr(recipe, name) for recipe in RECIPES), name
    assert {recipe.motion.kind for recipe in RECIPES if recipe.motion} == {kind for kind, *_ in MOTIONS}


@pytest.mark.parametrize("recipe", RECIPES)
def test_tones_agree_to_60_db(plain: ToneSet, recipe: Recipe) -> None:
    # All tones at once, since levels between them count; noise is scaled by a level of its own in a phrase.
    still = replace(recipe, noise_db=None, breath=None)
    pitches = [57, 60, 61, 66]
    wanted = np.concatenate([by_the_trainer(plain, still, pitch) for pitch in pitches])
    made = altered_tones(plain, still)
    assert error_db(np.concatenate([made[pitch - 57] for pitch in pitches]), wanted) < -60.0


def test_noise_agrees_on_a_single_tone(plain: ToneSet) -> None:
    alone = replace(plain, samples=plain.samples[3:4], scales=plain.scales[3:4], lowest_pitch=60)
    recipe = replace(PLAIN, noise_db=-25.0, breath=(-15.0, 3000.0))
    wanted = by_the_trainer(alone, recipe, 60)
    assert error_db(altered_tones(alone, recipe)[0], wanted) < -100.0
    assert error_db(altered_tones(alone, replace(recipe, key=8))[0], wanted) > -20.0


STEADY = [
    replace(PLAIN, cents=(-8.0, 12.0), motion=Motion("tremolo", 0.8, 5.0, 500.0)),
    replace(PLAIN, formant=3, inharmonic=Inharmonic(0.4, 1.37, 0.0, (), np.inf), drive_db=6.0),
    replace(PLAIN, octave=1, semitones=12, motion=Motion("vibrato", 0.5, 5.0, 500.0)),
]
FILTERED = [
    replace(PLAIN, zone=(3, 1)),
    replace(PLAIN, zone=(128, 0)),
    replace(PLAIN, equaliser_db=(6.0, -6.0, 3.0, 0.0, -9.0, 9.0, 0.0, 5.0, -5.0)),
]


@pytest.mark.parametrize(
    ("recipe", "most_db"),
    [*((recipe, -35.0) for recipe in STEADY), *((recipe, -30.0) for recipe in FILTERED)],
)
def test_clips_agree(plain: ToneSet, recipe: Recipe, most_db: float) -> None:
    # Rumble is removed from tones only, and in a phrase a filter reaches across onsets: clips agree less.
    notes = (Note(0.1, 0.3, 57, 100), Note(0.5, 0.3, 64, 80), Note(0.9, 0.5, 60, 127))
    envelope = Envelope(20.0, 80.0, 0.5, 50.0)
    tones = alter_tone_set(plain, recipe).by_pitch()
    gain = compose.gain(notes, envelope, RATE, FRAMES, 3.0)
    rendered, _ = compose.to_int16(compose.dry(notes, tones, RATE, FRAMES) * gain, 29_204)
    format = ClipFormat(RATE, FRAMES, 29_204, 3.0)
    composed = compose_block(in_a_bank(plain), [0], [notes], [envelope], format, recipes=[recipe])
    assert error_db(composed.pcm_TPEF[0, 0, 0].double().numpy(), rendered.astype(np.float64)) < most_db


def test_a_bank_of_altered_tones_gives_the_rendered_clip(plain: ToneSet) -> None:
    altered = alter_tone_set(plain, RECIPES[0])
    notes, envelope = (Note(0.1, 0.5, 58, 100), Note(0.8, 0.4, 65, 80)), Envelope(20.0, 80.0, 0.5, 50.0)
    gain = compose.gain(notes, envelope, RATE, FRAMES, 3.0)
    sound = compose.dry(notes, altered.by_pitch(), RATE, FRAMES) * gain
    rendered, _ = compose.to_int16(sound, 29_204)
    block = (in_a_bank(altered), [0], [notes], [envelope], ClipFormat(RATE, FRAMES, 29_204, 3.0))
    composed = compose_block(*block).pcm_TPEF[0, 0, 0].numpy()
    assert np.abs(composed.astype(int) - rendered).max() <= 1
