"""Altered timbres of a bank: still gain times dry, altered by their recipes, with their own ids."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import hilbert

from manifests.dataset.bank import Bank
from manifests.synthesis import compose
from manifests.synthesis.recipe import Inharmonic, Motion, Recipe
from manifests.types import Envelope, Note
from tests.support.training.tone_bank import same_example, sine_tones, take_examples
from train.data.bank.compose import compose_block
from train.data.bank.format import ClipFormat, clip_format
from train.data.bank.tones import Tones
from train.data.tables import Tables

CPU = torch.device("cpu")


BAR = Inharmonic(0.0, 0.0, -12.0, (2.756, 5.404), 0.5)
MOVED = [
    (Inharmonic(0.4, 1.37, 0.0, (), math.inf), Motion("drift", 1.0, 0.0, 500.0)),
    (BAR, Motion("tremolo", 0.7, 5.0, 500.0)),
    (Inharmonic(0.0, 0.0, -20.0, (2.01, 3.05), math.inf), Motion("vibrato", 0.6, 5.0, 500.0)),
    (None, Motion("chorus", 0.5, 0.7, 500.0)),
    (None, Motion("closing", 1.0, 4.0, 500.0)),
]


@pytest.mark.parametrize("moved", [None, *MOVED])
def test_altered_timbres_are_gain_times_dry_by_both_algorithms(
    bank: Bank, moved: tuple[Inharmonic | None, Motion] | None
) -> None:
    tables, format = Tables.open(bank.root), clip_format(bank)
    tones = Tones.load(bank, tables.train_timbres, CPU)
    first, second = tables.train_timbres[:2]
    bands = (6.0, -6.0, 3.0, 0.0, -9.0, 9.0, 0.0, 5.0, -5.0)
    everything = Recipe(second, 0.4, (-8.0, 8.0), bands, 12.0, -30.0, 7, 1, 3)
    if moved is not None:
        everything = Recipe(second, 0.4, (), bands, 6.0, -40.0, 7, 0, 0, (3, 1), *moved, (-20.0, 2000.0), 12)
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


def clip_of(recipe: Recipe, notes: tuple[Note, ...], seconds: float = 1.0) -> np.ndarray:
    """Plays notes on a sine by a recipe, without an envelope and without a fade: float64 [frames]."""
    frames = round(seconds * 44_100)
    format, flat = ClipFormat(44_100, frames, 32767, 0.0), [Envelope(0.0, 0.0, 1.0, 0.0)]
    clips = compose_block(sine_tones(1, 2.0), [0], [notes], flat, format, vectorised=False, recipes=[recipe])
    return np.asarray(clips.pcm_TPEF[0, 0, 0].numpy() / 32767)


PLAIN = Recipe(None, 0.0, (), (), None, None, 0)


def test_zones_step_in_level_and_spectrum_but_not_in_pitch() -> None:
    notes = tuple(Note(0.5 * k, 0.5, 57 + k, 127) for k in range(13))
    sound = clip_of(replace(PLAIN, zone=(4, 1), key=3), notes, 6.5).reshape(13, -1)
    for note, piece in zip(notes, sound, strict=True):
        assert hertz(piece) == pytest.approx(440.0 * 2 ** ((note.pitch - 69) / 12), abs=1.0)
    level_db = 20 * np.log10(np.sqrt(np.mean(np.square(sound[:, 2000:-2000]), axis=1)))
    # 57..60 are a zone, then 61..64 and so on. Within a zone only the tilt changes the level of a sine.
    steps = np.abs(np.diff(level_db))
    at_border = np.arange(12) % 4 == 3
    assert steps[~at_border].max() < 0.35
    assert steps[at_border].max() > 1.0
    assert np.ptp(level_db) < 12.0


@pytest.mark.parametrize("root", [51, 63, 69])
def test_a_one_shot_keeps_the_pitch_and_moves_the_spectrum_with_it(root: int) -> None:
    notes = tuple(Note(0.5 * k, 0.5, 57 + 3 * k, 127) for k in range(5))
    recipe = replace(PLAIN, zone=(128, root - 63))
    format, flat = ClipFormat(44_100, 110_250, 32767, 0.0), [Envelope(0.0, 0.0, 1.0, 0.0)]
    tones = sine_tones(1, 2.0)
    # The tone that all are read from has a second partial at -20 dB; no other tone has one. The zone's tilt
    # changes it by up to 1.5 dB.
    kept = min(max(root, 57), 69) - 57
    time_s = np.arange(88_200) / 44_100
    rich = sum(
        a * np.sin(2 * np.pi * n * 440 * 2 ** ((kept - 12) / 12) * time_s) for n, a in ((1, 0.9), (2, 0.09))
    )
    tones.pcm_S[kept * 88_200 :][:88_200] = torch.from_numpy(np.rint(rich * 32767).astype("i2"))
    both = [
        compose_block(tones, [0], [notes], flat, format, vectorised=way, recipes=[recipe]).pcm_TPEF[0, 0, 0]
        for way in (False, True)
    ]
    assert (both[0].int() - both[1].int()).abs().max() <= 4
    for note, piece in zip(notes, both[0].double().numpy().reshape(5, -1), strict=True):
        pitch_hz = 440.0 * 2 ** ((note.pitch - 69) / 12)
        assert hertz(piece) == pytest.approx(pitch_hz, abs=1.0)
        power = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 1 << 18)) ** 2
        second = power[round(2 * pitch_hz / 44_100 * (1 << 18)) + np.arange(-40, 41)].max()
        assert 10 * np.log10(second / power.max()) == pytest.approx(-20.0, abs=1.5)


def test_inharmonic_partials_lie_at_their_ratios_and_die_away() -> None:
    sound = clip_of(replace(PLAIN, inharmonic=BAR), (Note(0.0, 1.0, 69, 127),))
    pure = clip_of(PLAIN, (Note(0.0, 1.0, 69, 127),))
    rest = sound - pure * (sound @ pure) / (pure @ pure)
    assert min(abs(hertz(rest[:8820]) - 440.0 * ratio) for ratio in BAR.ratios) < 3.0
    fall_db = 20 * np.log10(np.std(rest[17640:26460]) / np.std(rest[:8820]))
    assert fall_db < -35.0
    ring = clip_of(replace(PLAIN, inharmonic=MOVED[0][0]), (Note(0.0, 1.0, 69, 127),))
    power = np.abs(np.fft.rfft(ring * np.hanning(len(ring))))
    assert power[round(440 * 0.37)] > 0.1 * power.max()
    assert power[round(440 * 2.37)] > 0.1 * power.max()
    assert power[440] == power.max()


@pytest.mark.parametrize(("_", "motion"), MOVED)
def test_motions_move_and_begin_anew_at_each_onset(_: object, motion: Motion) -> None:
    notes = (Note(0.0, 0.5, 69, 127), Note(0.5, 0.5, 69, 127))
    recipe = replace(PLAIN, motion=motion, key=5)
    first, second = clip_of(recipe, notes).reshape(2, -1)
    still = clip_of(PLAIN, notes)[: len(first)]
    assert np.abs(first / np.std(first) - still / np.std(still)).max() > 0.05
    if motion.kind in ("tremolo", "vibrato", "chorus"):
        np.testing.assert_allclose(first, second, atol=1e-3)
    if motion.kind == "vibrato":
        phase = np.unwrap(np.angle(hilbert(first)))[4000:-4000]
        cents = 1200 * np.log2(np.diff(phase) * 44_100 / (2 * np.pi) / 440.0)
        assert np.abs(np.convolve(cents, np.ones(200) / 200, "valid")).max() == pytest.approx(26.0, abs=3.0)


def test_a_closing_filter_darkens_each_note() -> None:
    recipe = replace(
        PLAIN, motion=Motion("closing", 1.0, 8.0, 200.0), inharmonic=Inharmonic(0, 0, -6, (8.0,), math.inf)
    )
    notes = (Note(0.0, 0.5, 69, 127), Note(0.5, 0.5, 69, 127))
    for note in clip_of(recipe, notes).reshape(2, -1):
        shares = []
        for piece in (note[1000:5410], note[-5410:-1000]):
            power = np.abs(np.fft.rfft(piece * np.hanning(len(piece)))) ** 2
            shares.append(power[200:].sum() / power.sum())
        assert shares[1] < 0.3 * shares[0]


def test_breath_is_a_band_of_noise_at_its_level() -> None:
    notes = (Note(0.0, 1.0, 60, 127),)
    sound = clip_of(replace(PLAIN, breath=(-20.0, 6000.0)), notes)
    power = np.abs(np.fft.rfft(sound)) ** 2
    assert 10 * np.log10(power[1000:].sum() / power[:1000].sum()) == pytest.approx(-20.0, abs=0.5)
    assert 4000 < np.argmax(np.convolve(power[1000:], np.ones(500), "same")) + 1000 < 7500


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
