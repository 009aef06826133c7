"""Playing tones: a reference reproduces itself, blends, storage, and timbres without tones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.types import InputError, Note
from tests.support.training.tiny_codec import RATE, make_clip, make_passage, make_system
from train.systems.triptych.networks.timbre import Timbre
from train.systems.triptych.playing.synthesis import synthesise
from train.systems.triptych.playing.timbre_blending import interpolate_timbre
from train.systems.triptych.playing.timbre_extraction import extract_timbre
from train.systems.triptych.playing.timbre_tensors import timbre_from_tensors, timbre_to_tensors
from train.systems.triptych.playing.tone_playing import ToneRows, fill_top, padded_spectra, play_tones
from train.systems.triptych.system import Triptych


@pytest.fixture(scope="module")
def system() -> Triptych:
    system = make_system()
    # A correction that moves levels, as a trained one does.
    torch.nn.init.normal_(
        system.transposition.leave.weight, std=0.3, generator=torch.Generator().manual_seed(2)
    )
    return system


def timbre_of(system: Triptych, index: int, timbre: int = 0) -> Timbre:
    audio, notes, envelope = make_clip(index, timbre=timbre)
    return extract_timbre(system, make_passage(audio, notes), envelope)


def play(system: Triptych, timbre: Timbre, pitch: float, samples: int = RATE) -> np.ndarray:
    seed = torch.zeros(1, dtype=torch.long)
    rows = ToneRows(torch.tensor([pitch]), torch.zeros(1), torch.tensor([float(samples)]), seed)
    with torch.no_grad():
        return play_tones(system, timbre, rows, samples)[0].numpy()


@torch.no_grad()
def test_a_recording_played_with_its_own_timbre_is_itself(system: Triptych) -> None:
    for index in range(3):
        audio, notes, envelope = make_clip(index, timbre=1)
        timbre = extract_timbre(system, make_passage(audio, notes), envelope)
        played = synthesise(system, notes, envelope, timbre, len(audio))
        # The first milliseconds of an attack, where the gain is not divided out, are what differs.
        assert np.sqrt(np.mean((played - audio) ** 2)) < 0.06 * np.sqrt(np.mean(audio**2))


@torch.no_grad()
def test_a_correction_acts_at_other_pitches_only(system: Triptych) -> None:
    timbre = timbre_of(system, 2)
    assert timbre.tones is not None
    plain = make_system()
    pitch = float(timbre.tones.pitch_N[0])
    np.testing.assert_array_equal(play(system, timbre, pitch), play(plain, timbre, pitch))
    assert np.abs(play(system, timbre, pitch - 3) - play(plain, timbre, pitch - 3)).max() > 1e-3


@torch.no_grad()
def test_stored_timbres_play_the_same_samples(system: Triptych) -> None:
    timbre = timbre_of(system, 4)
    again = timbre_from_tensors(system, timbre_to_tensors(timbre))
    for pitch in (55.0, 60.0, 71.0):
        np.testing.assert_array_equal(play(system, again, pitch), play(system, timbre, pitch))


def test_damaged_tones_are_refused(system: Triptych) -> None:
    tensors = timbre_to_tensors(timbre_of(system, 4))
    lengths = tensors["tone_length_N"]
    for name, value in {
        "tone_length_N": lengths + 1, "tone_loop_N": lengths + 1, "tone_pcm_S": tensors["tone_pcm_S"].float(),
        "tone_scale_N": tensors["tone_scale_N"] * float("nan"), "tone_pitch_N": tensors["tone_pitch_N"][:-1],
    }.items():  # fmt: skip
        with pytest.raises(InputError, match="tone"):
            timbre_from_tensors(system, {**tensors, name: value})
    del tensors["tone_level_N"]
    with pytest.raises(InputError, match="'tone_level_N' is missing"):
        timbre_from_tensors(system, tensors)


def test_a_timbre_without_tones_is_played_by_oscillators(system: Triptych) -> None:
    timbre = timbre_of(system, 1)._replace(tones=None)
    assert not any(name.startswith("tone_") for name in timbre_to_tensors(timbre))
    assert 0.03 < np.sqrt(np.mean(play(system, timbre, 60.0) ** 2)) < 0.3


@torch.no_grad()
def test_blends_lie_between_their_timbres(system: Triptych) -> None:
    start, end = timbre_of(system, 1, timbre=0), timbre_of(system, 2, timbre=3)
    assert start.tones is not None
    pitch = float(start.tones.pitch_N[0])
    sounds = [play(system, interpolate_timbre(system, start, end, share), pitch) for share in (0.0, 0.5, 1.0)]
    spectra = [np.log(np.abs(np.fft.rfft(sound)) + 1e-2) for sound in sounds]
    whole, half = np.abs(spectra[2] - spectra[0]).mean(), np.abs(spectra[1] - spectra[0]).mean()
    assert half < whole
    own = play(system, start, pitch)
    np.testing.assert_allclose(sounds[0][: RATE // 8], own[: RATE // 8], atol=2e-3)
    levels = [np.sqrt(np.mean(sound**2)) for sound in sounds]
    assert min(levels[0], levels[2]) * 0.8 < levels[1] < max(levels[0], levels[2]) * 1.25


def test_a_filling_goes_on_with_the_level_below_and_is_never_louder() -> None:
    generator = torch.Generator().manual_seed(1)
    noise = 0.1 * torch.randn(1, 8192, generator=generator)
    bins = torch.linspace(0.0, RATE / 2.0, 1025)
    edge = torch.tensor([5000.0])
    spectra = padded_spectra(noise)
    dull = spectra * (bins < 3000.0)
    above = bins > 6000.0
    assert fill_top(dull, spectra, edge, bins)[..., above].abs().amax() < 1e-3  # it ended below the edge
    filled = fill_top(spectra * (bins < 5000.0), 10.0 * spectra, edge, bins)[..., above]
    inner = slice(6, 12)
    ratio = filled[:, inner].abs().square().mean() / spectra[:, inner][..., above].abs().square().mean()
    assert 0.2 < float(ratio) < 2.0


def test_conversions_have_no_clicks(system: Triptych) -> None:
    """Notes cut by the next onset, held beyond the reference's and moved: no step between samples."""
    timbre = timbre_of(system, 3)
    assert timbre.tones is not None
    _, _, envelope = make_clip(3)
    low = round(float(timbre.tones.pitch_N.min())) - 2
    notes = tuple(Note(0.4 * k, 0.4, low + 2 * k, 127) for k in range(5))
    with torch.no_grad():
        sound = synthesise(system, notes, envelope, timbre, 2 * RATE)
    cuts = [round(0.4 * k * RATE) for k in range(1, 5)]
    steps = np.abs(np.diff(sound))
    for cut in cuts:
        assert steps[cut - 20 : cut + 20].max() < 1.5 * np.quantile(steps, 0.995)
