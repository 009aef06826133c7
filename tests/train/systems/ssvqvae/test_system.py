"""SS-VQ-VAE: its published size, that it learns, its quantiser and vocoder, and odd inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.dataset.layout import Layout
from tests.support.paths import TRAIN_CONFIGS
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.baseline_systems import RATE, SS_VQ_VAE, distance, examples_of, sound
from train.audio import files as audio
from train.audio.resampling import resample
from train.checkpoint import load_system
from train.codec.api import Codec
from train.config import RunConfig, load_config, parse_config
from train.fitting.loop import Report, fit
from train.systems import build
from train.systems.base import Format
from train.systems.ssvqvae.networks import opening_relu
from train.systems.ssvqvae.quantiser import Quantiser
from train.systems.ssvqvae.spectra import HOP, griffin_lim, log_magnitudes
from train.systems.ssvqvae.system import SSVQVAE, Batch


def tiny(**changes: object) -> RunConfig:
    settings = {
        "system": "ss-vq-vae", "steps": 3, "batch": 2, "judge_pairs": 0, "data": {"pool_blocks": 1},
        "model": SS_VQ_VAE,
    }  # fmt: skip
    return parse_config({**settings, **changes}, "test")


@pytest.fixture(scope="module")
def system() -> SSVQVAE:
    built = build("ss-vq-vae", tiny().model, Format(RATE, 3.0, ("one",)), seed=4)
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


def test_shapes_on_the_way(system: SSVQVAE) -> None:
    """3 s at 16 kHz: 97 frames of 1025 bins at 32 Hz, of which 96 make 24 codes at 8 Hz."""
    seen = log_magnitudes(torch.from_numpy(sound(3.0, rate=16_000))[None])
    assert seen.shape == (1, 1025, 97)
    with torch.no_grad():
        quantised = system.quantiser(system.content(seen[..., :96]))
        style = system.style(seen)
        made = system.decoder(quantised.frames, style)
    assert quantised.codes.shape == (1, 24)
    assert style.shape == (1, 12)
    assert made.shape == (1, 1025, 96)
    assert float(made.min()) >= 0.0


def test_codes_are_the_nearest_by_brute_force() -> None:
    generator = torch.Generator().manual_seed(3)
    quantiser = Quantiser(40, 7)
    with torch.no_grad():
        quantiser.codes.copy_(torch.randn(40, 7, generator=generator))
    frames = torch.randn(3, 7, 11, generator=generator)
    with torch.no_grad():
        quantised = quantiser(frames)
    for clip in range(3):
        for place in range(11):
            row = frames[clip, :, place].double()
            distances = [float((row - code.double()).square().sum()) for code in quantiser.codes.detach()]
            assert int(quantised.codes[clip, place]) == int(np.argmin(distances))
            torch.testing.assert_close(
                quantised.frames[clip, :, place], quantiser.codes[int(np.argmin(distances))].detach()
            )


def test_gradients_pass_the_quantiser_and_its_losses_move_one_side_each() -> None:
    quantiser = Quantiser(5, 4)
    frames = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1), requires_grad=True)
    quantised = quantiser(frames)
    (passed,) = torch.autograd.grad((3.0 * quantised.frames).sum(), frames, retain_graph=True)
    torch.testing.assert_close(passed, torch.full_like(frames, 3.0))
    grad = torch.autograd.grad(
        quantised.codebook, [frames, quantiser.codes], retain_graph=True, allow_unused=True
    )
    assert grad[0] is None
    assert grad[1].abs().sum() > 0
    grad = torch.autograd.grad(quantised.commitment, [frames, quantiser.codes], allow_unused=True)
    assert grad[0].abs().sum() > 0
    assert grad[1] is None


def test_a_magnitude_that_is_shut_can_open_again() -> None:
    """And one that is shut where there is silence stays as it is."""
    before = torch.tensor([-1.0, -1.0, 2.0], requires_grad=True)
    after = opening_relu(before)
    assert after.tolist() == [0.0, 0.0, 2.0]
    loss = (after - torch.tensor([1.0, 0.0, 1.0])).square().sum()
    (gradient,) = torch.autograd.grad(loss, before)
    assert gradient.tolist() == [-2.0, 0.0, 2.0]


def test_it_learns_from_all_frames_that_it_converts(system: SSVQVAE) -> None:
    """Up to the last one: silence fills up the last code in training as in a conversion."""
    clip = sound(0.5, rate=RATE)
    frames = system._whole(system._low(clip))
    assert frames.shape == (1, 1025, 20)
    assert frames.shape[2] * HOP >= len(clip) / RATE * 16_000
    batch = Batch(*(torch.from_numpy(np.rint(clip * 32767).astype(np.int16))[None] for _ in range(2)))
    learned: list[torch.Size] = []
    hook = system.decoder.register_forward_hook(lambda _, __, made: learned.append(made.shape))
    list(system.turns(batch, 0.0))
    hook.remove()
    assert learned == [frames.shape]


def test_batches_are_resampled_as_files_are() -> None:
    noise = np.random.default_rng(1).standard_normal((2, 30_011)).astype(np.float32)
    for rate, wanted in ((44_100, 16_000), (16_000, 44_100), (48_000, 44_100), (16_000, 16_000)):
        ours = resample(torch.from_numpy(noise), rate, wanted).numpy()
        theirs = np.stack([audio.resample(row, rate, wanted) for row in noise])
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_inversion_finds_exact_magnitudes_again() -> None:
    clip = torch.from_numpy(sound(1.0, rate=16_000))[None]
    seen = log_magnitudes(clip)
    errors = [
        float((log_magnitudes(griffin_lim(seen, 16_000, steps)) - seen).square().mean()) for steps in (1, 60)
    ]
    assert errors[1] < 0.25 * errors[0]
    np.testing.assert_array_equal(griffin_lim(seen, 16_000, 3), griffin_lim(seen, 16_000, 3))


def test_the_oracle_is_the_vocoder_alone(system: SSVQVAE) -> None:
    """Nearer to the clip than silence is, at its level and length, nothing above 8 kHz."""
    clip = sound(0.9)
    made = Codec(system, "test").oracle(clip)
    assert made is not None
    assert made.shape == clip.shape
    assert distance(made, clip, RATE, 16_000) < 0.5 * distance(0.0 * clip, clip, RATE, 16_000)
    spectrum = np.abs(np.fft.rfft(made))
    edge = round(8000 * len(clip) / RATE)
    assert spectrum[edge + 20 :].max() < 1e-3 * spectrum.max()


def test_the_style_partner_shares_the_sound_and_not_the_phrase(layout: Layout, system: SSVQVAE) -> None:
    examples = examples_of(layout, system, 16)
    for example in examples:
        target, partner = example.target.id, example.envelope.id
        assert (partner.timbre, partner.envelope) == (target.timbre, target.envelope)
        assert partner.phrase != target.phrase
    batch = system.collate(examples, {})
    assert torch.equal(batch.content_BT[3], torch.from_numpy(examples[3].target.audio))
    assert torch.equal(batch.style_BT[3], torch.from_numpy(examples[3].envelope.audio))


def test_it_trains_and_its_checkpoint_converts(layout: Layout, tmp_path: Path) -> None:
    steps: list[dict[str, float]] = []
    fit(tiny(), layout.root, tmp_path / "run", Report(on_step=lambda _, losses, __: steps.append(losses)))
    assert set(steps[0]) == {"frames", "codebook", "commitment", "codec_gradient"}
    assert all(np.isfinite(list(losses.values())).all() for losses in steps)
    made, _, _ = load_system(tmp_path / "run" / "last.safetensors")
    assert made.own_rate == 16_000
    assert Codec(made, "test").convert(sound(0.7), sound(0.4, 1)).audio.shape == sound(0.7).shape


def test_a_conversion_is_the_same_at_any_time(system: SSVQVAE) -> None:
    """No batch statistics in it, no random phase, no level: whatever the state the system was left in."""
    codec = Codec(build("ss-vq-vae", system.config, system.format, seed=4).train(), "test")
    first, second = (codec.convert(level * sound(0.6), sound(0.5, 1)).audio for level in (1.0, 0.01))
    np.testing.assert_allclose(first, second, atol=1e-3)
    np.testing.assert_array_equal(first, codec.convert(sound(0.6), sound(0.5, 1)).audio)
