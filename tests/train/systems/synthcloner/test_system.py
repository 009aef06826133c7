"""SynthCloner, the reference codec: published sizes, training, and none of the listed mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from manifests.dataset.layout import Layout
from manifests.types import InputError
from tests.support.paths import TRAIN_CONFIGS
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.baseline_systems import RATE, SYNTHCLONER, sound
from tests.support.training.short_runs import held_out_losses
from train.checkpoint import load_system
from train.codec.api import Codec
from train.config import RunConfig, load_config, parse_config
from train.data.loader import Loader
from train.data.pairs import KINDS, TAKES
from train.data.shards import ShardSource
from train.data.tables import Tables
from train.fitting.loop import Callbacks, fit
from train.fitting.schedule import lr_factor
from train.fitting.validation import Validator
from train.metrics import score, spectral_features
from train.systems import build
from train.systems.base import ConversionRequest, Format
from train.systems.synthcloner.envelope import loudness
from train.systems.synthcloner.layers import Head
from train.systems.synthcloner.system import SynthCloner, take_frames


def tiny(**changes: object) -> RunConfig:
    settings = {"system": "synthcloner", "steps": 3, "batch": 2, "model": {**SYNTHCLONER, **changes}}
    return parse_config({**settings, "validation_pairs": 0, "data": {"pool_blocks": 2}}, "test")


@pytest.fixture(scope="module")
def system() -> SynthCloner:
    built = build("synthcloner", tiny().model, Format(RATE, 3.0, ("one", "two")), seed=4)
    assert isinstance(built, SynthCloner)
    return built.eval()


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    folder = tmp_path_factory.mktemp("reference") / "set"
    return make_dataset(folder, train=(4, 4, 4), seconds=1.2, rate=RATE)


def count(*modules: torch.nn.Module) -> float:
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


def test_the_published_sizes() -> None:
    config = load_config(TRAIN_CONFIGS / "reference.yaml")
    with torch.device("meta"):
        model = SynthCloner(config.model, Format(RATE, 3.0, tuple(str(i) for i in range(250))))
    assert count(model) - count(model.judges) == pytest.approx(134.7, rel=0.01)
    published = [
        (model.encoder, 36.7), (model.decoder, 83.6), (model.timbre_encoder, 7.4),
        (model.envelope_encoder, 1.4), (model.quantiser, 0.1), (model.judges, 42.5),
        *((head, 1.6) for head in (model.pitch_head, model.timbre_head, model.envelope_head)),
    ]  # fmt: skip
    for module, millions in published:
        assert count(module) == pytest.approx(millions, abs=0.06), type(module).__name__
    lstms = [module for module in model.modules() if isinstance(module, torch.nn.LSTM)]
    assert count(*lstms) == pytest.approx(54.6, abs=0.2)


def test_the_published_optimiser() -> None:
    optimiser = load_config(TRAIN_CONFIGS / "reference.yaml").optimiser
    assert optimiser.clips == {"codec": 1000.0, "discriminator": 10.0}
    assert lr_factor(0, 0.0, optimiser) == 1.0
    assert lr_factor(1000, 0.99, optimiser) == pytest.approx(0.999996**1000)


def test_it_trains_with_its_discriminators_and_its_checkpoint_converts(
    layout: Layout, tmp_path: Path
) -> None:
    steps: list[dict[str, float]] = []
    fit(tiny(), layout.root, tmp_path / "run", Callbacks(on_step=lambda _, losses, __: steps.append(losses)))
    assert {"mel", "commitment", "codebook", "pitch", "envelope", "timbre"} <= set(steps[0])
    assert {"discriminator", "generator", "feature_matching"} <= set(steps[-1])
    assert all(np.isfinite(list(losses.values())).all() for losses in steps)
    made, _, _ = load_system(tmp_path / "run" / "last.safetensors")
    audio = Codec(made, "test").convert(sound(0.7), sound(0.4, 1)).audio
    assert audio.shape == sound(0.7).shape


@pytest.mark.verify
def test_it_learns(layout: Layout, tmp_path: Path) -> None:
    """Held-out losses fall below those of untrained weights."""
    settings = yaml.safe_load((TRAIN_CONFIGS / "reference-tiny.yaml").read_text())
    settings |= {"steps": 20, "minutes": None, "validation_pairs": 0, "data": {"pool_blocks": 4}}
    config, tables = parse_config(settings, "test"), Tables.open(layout.root)
    fit(config, layout.root, tmp_path / "run")
    trained = load_system(tmp_path / "run" / "last.safetensors")[0]
    fresh = build("synthcloner", config.model, trained.format, config.seed).eval()
    after, before = (held_out_losses(some, tables, 8) for some in (trained, fresh))
    for name, most in (("mel", 0.8), ("commitment", 0.5), ("pitch", 0.5), ("envelope", 0.5)):
        assert after[name] < most * before[name], name


def test_crops_and_labels_of_a_batch_agree(layout: Layout, system: SynthCloner) -> None:
    tables = Tables.open(layout.root)
    with Loader(ShardSource(tables), system.kinds, 1, 2, 1) as loader:
        examples = [example for example, _ in zip(loader, range(12), strict=False)]
    batch = system.collate(examples, {id: place for place, id in enumerate(tables.train_timbres)})
    frames = round(0.5 * RATE / system.config.hop)
    assert batch.target_BT.shape == batch.content_BT.shape == (12, frames * system.config.hop)
    assert batch.index_BF.shape == (12, frames)
    assert batch.pitch_BPF.shape == (12, 88, frames)
    assert set(batch.class_B.tolist()) <= {0, 1, 2, 3}
    for row, example in enumerate(examples):
        labelled = batch.pitch_BPF[row].sum(1).nonzero()[:, 0] + 21
        assert set(labelled.tolist()) <= {note.pitch for note in example.target.notes}


def test_a_class_beyond_the_head_is_refused(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model.envelopes: 1 classes, but the dataset has envelope \d"):
        fit(tiny(envelopes=1), layout.root, tmp_path / "run")


def test_a_conversion_has_no_dropout_in_it(system: SynthCloner) -> None:
    assert system.config.dropout > 0.0
    codec = Codec(build("synthcloner", system.config, system.format, seed=4).train(), "test")
    first, second = (codec.convert(sound(0.6), sound(0.6, 1)).audio for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_timbre_vector_does_not_depend_on_its_place_in_the_batch(system: SynthCloner) -> None:
    clips = torch.from_numpy(np.stack([sound(0.58, seed)[: 48 * 512] for seed in range(3)]))
    with torch.no_grad():
        together = system.timbre_encoder(system.encoder(clips))
        alone = torch.cat([system.timbre_encoder(system.encoder(clip[None])) for clip in clips])
        turned = system.timbre_encoder(system.encoder(clips.flip(0))).flip(0)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together, turned, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


@torch.no_grad()
def test_a_validation_is_the_mean_of_all_its_pairs(layout: Layout, system: SynthCloner) -> None:
    validator = Validator(Tables.open(layout.root), 2, 1)
    alone: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for audio in validator.pairs:
        request = ConversionRequest(audio.source, audio.reference, TAKES[audio.pair.kind])
        converted = system.convert(request).audio
        alone[audio.pair.kind].append(
            score(spectral_features(converted), spectral_features(audio.target))["mstft_floored"]
        )
    assert validator.validate(system).scores == {
        kind: pytest.approx(np.mean(values)) for kind, values in alone.items()
    }
    assert {len(values) for values in alone.values()} == {2}


def test_the_timbre_encoder_depends_on_the_order_of_frames(system: SynthCloner) -> None:
    frames = torch.randn(1, 16, 20, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        forward, backward = (system.timbre_encoder(x) for x in (frames, frames.flip(-1)))
    assert not torch.allclose(forward, backward, atol=1e-4)


def test_silence_and_loud_input_stay_finite(system: SynthCloner) -> None:
    codec = Codec(system, "test")
    assert np.isfinite(codec.convert(np.zeros(RATE, dtype=np.float32), sound(0.5)).audio).all()
    loud, quiet = (codec.convert(level * sound(0.6), sound(0.5, 1)).audio for level in (1.0, 0.01))
    np.testing.assert_allclose(loud, quiet, atol=1e-4)


def test_the_quantiser_passes_gradients_and_moves_its_codes(system: SynthCloner) -> None:
    frames = torch.randn(2, 16, 10, generator=torch.Generator().manual_seed(2), requires_grad=True)
    quantised = system.quantiser(frames)
    assert quantised.codes.shape == (2, 2, 10)
    assert torch.autograd.grad(quantised.frames.sum(), frames, retain_graph=True)[0].abs().sum() > 0
    weight = system.quantiser.stages[0].codes.weight
    assert torch.autograd.grad(quantised.codebook, weight)[0].abs().sum() > 0


def test_frames_and_loudness_have_the_stated_shapes() -> None:
    audio = torch.from_numpy(sound(0.58)[: 48 * 512])[None]
    level = loudness(audio, 512)
    assert level.shape == (1, 2, 48)
    assert float(level[0, 0, 3]) == pytest.approx(
        np.log10(np.sqrt(np.mean(sound(0.58)[1536:2048] ** 2))), abs=1e-4
    )
    taken = take_frames(level, torch.tensor([[3, 3, 0]]))
    torch.testing.assert_close(taken[0, :, 0], level[0, :, 3])
    assert Head(16, 5)(torch.zeros(1, 16, 7)).shape == (1, 5, 7)
