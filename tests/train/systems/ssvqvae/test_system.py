"""SS-VQ-VAE: its published size, training, its vocoder bound, and odd inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.dataset.layout import Layout
from tests.support.paths import TRAIN_CONFIGS
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.baseline_systems import RATE, distance, sound, take_examples
from tests.support.training.tiny_ssvqvae import tiny_config
from train.checkpoint import load_system
from train.codec.api import Codec
from train.config import load_config
from train.fitting.loop import Callbacks, fit
from train.systems import build
from train.systems.base import Format
from train.systems.ssvqvae.spectra import HOP, log_magnitudes
from train.systems.ssvqvae.system import SSVQVAE, Batch


@pytest.fixture(scope="module")
def system() -> SSVQVAE:
    built = build("ss-vq-vae", tiny_config().model, Format(RATE, 3.0, ("one",)), seed=4)
    assert isinstance(built, SSVQVAE)
    return built.eval()


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("vq") / "set", train=(2, 2, 4), seconds=1.5)


def test_the_published_size() -> None:
    config = load_config(TRAIN_CONFIGS / "ss-vq-vae.yaml")
    with torch.device("meta"):
        model = SSVQVAE(config.model, Format(RATE, 3.0, ("one",)))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(55.7, rel=0.02)
    assert model.quantiser.codes.shape == (2048, 1024)
    assert (config.batch, config.steps, config.optimiser.learning_rate) == (256, 26_000, 4e-4)
    assert config.optimiser.weight_decay == config.optimiser.ema == 0.0


def test_intermediate_shapes(system: SSVQVAE) -> None:
    """3 s at 16 kHz: 97 frames of 1025 bins at 32 Hz, of which 96 make 24 codes at 8 Hz."""
    spectra = log_magnitudes(torch.from_numpy(sound(3.0, rate=16_000))[None])
    assert spectra.shape == (1, 1025, 97)
    with torch.no_grad():
        quantised = system.quantiser(system.content(spectra[..., :96]))
        style = system.style(spectra)
        made = system.decoder(quantised.frames, style)
    assert quantised.codes.shape == (1, 24)
    assert style.shape == (1, 12)
    assert made.shape == (1, 1025, 96)
    assert float(made.min()) >= 0.0


def test_training_uses_every_frame_that_conversion_uses(system: SSVQVAE) -> None:
    """Silence pads the last code in training as in conversion."""
    clip = sound(0.5, rate=RATE)
    frames = system._padded_magnitudes(system._resampled(clip))
    assert frames.shape == (1, 1025, 20)
    assert frames.shape[2] * HOP >= len(clip) / RATE * 16_000
    batch = Batch(*(torch.from_numpy(np.rint(clip * 32767).astype(np.int16))[None] for _ in range(2)))
    learned: list[torch.Size] = []
    hook = system.decoder.register_forward_hook(lambda _, __, made: learned.append(made.shape))
    list(system.training_losses(batch, 0.0))
    hook.remove()
    assert learned == [frames.shape]


def test_the_oracle_uses_only_the_vocoder(system: SSVQVAE) -> None:
    """The oracle is nearer to the clip than silence, with its level and length, and nothing above 8 kHz."""
    clip = sound(0.9)
    made = Codec(system, "test").oracle(clip)
    assert made is not None
    assert made.shape == clip.shape
    assert distance(made, clip, RATE, 16_000) < 0.5 * distance(0.0 * clip, clip, RATE, 16_000)
    spectrum = np.abs(np.fft.rfft(made))
    edge = round(8000 * len(clip) / RATE)
    assert spectrum[edge + 20 :].max() < 1e-3 * spectrum.max()


def test_the_style_partner_shares_the_sound_and_not_the_phrase(layout: Layout, system: SSVQVAE) -> None:
    examples = take_examples(layout, system, 16)
    for example in examples:
        target, partner = example.target.id, example.envelope.id
        assert (partner.timbre, partner.envelope) == (target.timbre, target.envelope)
        assert partner.phrase != target.phrase
    batch = system.collate(examples, {})
    assert torch.equal(batch.content_BT[3], torch.from_numpy(examples[3].target.audio))
    assert torch.equal(batch.style_BT[3], torch.from_numpy(examples[3].envelope.audio))


def test_it_trains_and_its_checkpoint_converts(layout: Layout, tmp_path: Path) -> None:
    steps: list[dict[str, float]] = []
    fit(
        tiny_config(),
        layout.root,
        tmp_path / "run",
        Callbacks(on_step=lambda _, losses, __: steps.append(losses)),
    )
    assert set(steps[0]) == {"frames", "codebook", "commitment", "codec_gradient"}
    assert all(np.isfinite(list(losses.values())).all() for losses in steps)
    made, _, _ = load_system(tmp_path / "run" / "last.safetensors")
    assert made.own_rate == 16_000
    assert Codec(made, "test").convert(sound(0.7), sound(0.4, 1)).audio.shape == sound(0.7).shape


def test_a_conversion_does_not_depend_on_earlier_ones(system: SSVQVAE) -> None:
    """Conversion uses no batch statistics, random phase or earlier level."""
    codec = Codec(build("ss-vq-vae", system.config, system.format, seed=4).train(), "test")
    first, second = (codec.convert(level * sound(0.6), sound(0.5, 1)).audio for level in (1.0, 0.01))
    np.testing.assert_allclose(first, second, atol=1e-3)
    np.testing.assert_array_equal(first, codec.convert(sound(0.6), sound(0.5, 1)).audio)
