"""Ablation variants of the codec: each trains and converts; changes without effect change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from benchmarks.ablated.code_probes import collect_code_latents
from benchmarks.ablated.codes import codes_at
from benchmarks.ablated.results import format_tables
from benchmarks.ablated.scoring import Trial, convert_from_recordings, draw_trials, score_trials
from benchmarks.ablated.system import AblatedCodec
from benchmarks.ablated.variants import BASELINE, SPLITS, VARIANTS, config_of
from manifests.dataset.layout import Layout
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.tiny_codec import SIZES
from train.checkpoint import load_system
from train.config import RunConfig, parse_config
from train.data.tables import Tables
from train.fitting.loop import fit
from train.nn.gain import envelope_batch, note_batch
from train.systems import build
from train.systems.base import Format
from train.systems.triptych.networks.features import HOP, LONG_HOP, extract_features
from train.systems.triptych.networks.timbre import Timbre, divide_out_gain, measure_profile
from train.systems.triptych.playing.synthesis import synthesise
from train.systems.triptych.system import Triptych

NOTES_GIVEN = {
    yaml.safe_dump(dict(variant.model)): name
    for name, variant in reversed(VARIANTS.items())
    if variant.system == AblatedCodec.name
}
"""One variant of each model: data may differ besides."""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("ablated"), train=(2, 4, 4), seconds=0.75)


@pytest.fixture(scope="module")
def trials(layout: Layout) -> list[Trial]:
    return draw_trials(Tables.open(layout.root), ("validation",), 1)


def config(name: str) -> RunConfig:
    plain = config_of(VARIANTS[name], 2, 3)
    plain["batch"], plain["data"] = 2, {"threads": 1, "pool_blocks": 1}
    plain["model"] = {**SIZES, "code_width": 8, "codes": 16, **plain["model"]}
    return parse_config(plain, name)


def fresh(name: str, layout: Layout) -> AblatedCodec:
    """Returns an untrained variant for the dataset's format."""
    of = Tables.open(layout.root)
    system = build(AblatedCodec.name, config(name).model, Format(of.rate, of.cut_fade_ms, ("one",)), 3).eval()
    assert isinstance(system, AblatedCodec)
    return system


@pytest.mark.parametrize("name", NOTES_GIVEN.values())
def test_each_variant_learns_and_converts(
    name: str, layout: Layout, trials: list[Trial], tmp_path: Path
) -> None:
    """Two training steps move every used weight; then every kind of pair is scored."""
    fit(config(name), layout.root, tmp_path / "run")
    trained = load_system(tmp_path / "run" / "last.safetensors")[0]
    assert isinstance(trained, AblatedCodec)
    before = build(AblatedCodec.name, trained.config, trained.format, 3).state_dict()
    unused = ["encoder.", "discriminator.", "octave_head."]
    if trained.config.decoder == "vocos":
        unused += ["decoder.leave."]
    # A bias may stay where its gradient starts at zero.
    still = {
        key for key, value in trained.named_parameters()
        if key.endswith("weight") and torch.equal(value, before[key]) and not key.startswith(tuple(unused))
    }  # fmt: skip
    assert still == set()
    scores = score_trials(
        lambda example: trained.convert_with_true_notes(example, estimate_envelope=name == BASELINE), trials
    )
    scores_found = np.array(list(scores["validation"].values()))
    assert scores_found.shape == (3, 1, 2)
    assert np.isfinite(scores_found).all()
    assert (scores_found > 0.0).all()


def test_the_codec_is_scored_from_recordings(layout: Layout, trials: list[Trial]) -> None:
    of = Tables.open(layout.root)
    codec = parse_config({"steps": 1, "model": SIZES}, "test")
    system = build("triptych", codec.model, Format(of.rate, of.cut_fade_ms, ("one",)), 3).eval()
    with torch.no_grad():
        scores_found = np.array(
            list(score_trials(convert_from_recordings(system), trials)["validation"].values())
        )
    assert scores_found.shape == (3, 1, 2)
    assert np.isfinite(scores_found).all()


@torch.no_grad()
def test_an_untrained_variant_plays_as_the_codec(layout: Layout, trials: list[Trial]) -> None:
    """With true notes the variant equals the codec. An all-pass filter of angle 0 changes nothing."""
    system, example = fresh(BASELINE, layout), trials[-1].example
    clip, rate, cut = example.timbre, system.format.rate, system.format.cut_fade_ms
    notes, envelope = note_batch([clip.notes], rate, len(clip.audio)), envelope_batch([clip.envelope])
    features_found = extract_features(torch.from_numpy(clip.audio)[None] / 32767.0, rate)
    normalized = divide_out_gain(features_found, notes, envelope, rate, cut)
    timbre = Timbre(
        measure_profile(normalized, notes, system.config, rate),
        system.timbre_encoder(normalized, notes, rate),
    )

    codec = Triptych(system.config, system.format)
    codec.load_state_dict(system.state_dict(), strict=False)
    expected = synthesise(codec, example.target.notes, example.target.envelope, timbre, len(clip.audio))
    actual = system.convert_with_true_notes(example, estimate_envelope=False)
    turned = fresh("complex filters", layout)
    turned.load_state_dict(system.state_dict(), strict=False)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(actual, expected, atol=2e-4)
    np.testing.assert_allclose(
        turned.convert_with_true_notes(example, estimate_envelope=False), actual, atol=2e-4
    )


def test_codes_are_read_at_their_positions() -> None:
    """Each code is the mean of two frames."""
    vector = torch.arange(4.0)[None, :, None]
    at = torch.tensor([[-9.0, 0.0, HOP, LONG_HOP, LONG_HOP + HOP, 3 * LONG_HOP, 99 * LONG_HOP]])
    assert codes_at(vector, torch.tensor([0]), at)[0, :, 0].tolist() == [0, 0, 0, 1, 1, 3, 3]


def test_probes_read_the_codes_vectors(layout: Layout) -> None:
    clips = collect_code_latents(fresh("codes, Vocos", layout), Tables.open(layout.root), 3)
    assert len({clip.id for clip in clips}) == 3
    assert all(clip.latents["codes"].shape == (16,) for clip in clips)
    assert not np.array_equal(clips[0].latents["codes"], clips[1].latents["codes"])


@torch.no_grad()
def test_a_learned_gain_is_zero_outside_its_note(layout: Layout, trials: list[Trial]) -> None:
    system, clip = fresh("learned latent", layout), trials[0].example.target
    assert system.latent_gain is not None
    rate = system.format.rate
    notes = note_batch([clip.notes[:1]], rate, len(clip.audio))
    end = int(notes.end_BN[0, 0] - notes.onset_BN[0, 0])
    gain = system.latent_gain(torch.zeros(1, 6), notes, torch.tensor([-100.0]), end + 300)[0]
    assert not gain[:100].any()
    assert not gain[100 + end :].any()
    assert gain[150 : 100 + end // 2].min() > 0.0


def test_the_table_averages_pairs_within_each_seed(tmp_path: Path) -> None:
    for name, seed, value in ((BASELINE, 1, 1.0), (BASELINE, 2, 1.2), ("no sub-octave", 1, 1.5)):
        pairs = [[value, 0.5], [value + 1, 0.5]]
        scores = {"ground_truth": {split: {"both": pairs} for split in SPLITS}}
        result = {"variant": name, "seed": seed, "scores": scores}
        (tmp_path / f"{name}-{seed}").mkdir()
        (tmp_path / f"{name}-{seed}" / "scores.json").write_text(json.dumps(result))
    rows = format_tables(tmp_path).splitlines()
    assert "| 2 | 1.60 ±0.10 / 0.50 ±0.00 |" in rows[4]
    assert rows[5].startswith("| none | 1 | 2.00 / 0.50 |")
    assert rows[5].endswith("| +0.50 ±0.00 |")
