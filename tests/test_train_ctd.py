"""CTD: published sizes, filter bank, constant-Q spectrum, sampler, stages, resuming, and odd inputs."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.layout import Layout
from manifests.vocabulary import BadInput, Envelope
from tests.train_baselines import RATE, examples_of, sound
from tests.train_data import make_dataset
from train.checkpoint import load_system, read_state
from train.config import RunConfig, load_config, parse_config
from train.conversion import Codec
from train.data.tables import Tables
from train.fit import Report, fit
from train.systems import build
from train.systems.base import Format
from train.systems.ctd.conditions import NONE
from train.systems.ctd.config import BANDS, CTDConfig
from train.systems.ctd.cqt import BINS, BINS_AN_OCTAVE, SCALE, cqt_power, frequencies
from train.systems.ctd.diffusion import Guidance, denoise, denoising_loss, guided, sample, sigmas
from train.systems.ctd.latents import LatentStore
from train.systems.ctd.pqmf import PQMF
from train.systems.ctd.stages import stage_at
from train.systems.ctd.system import CTD

CONFIGS = Path(__file__).parents[1] / "configs" / "train"
SIZES = {
    "channels": 4, "multipliers": [1, 1, 2, 2], "strides": [4, 4, 4], "latent": 4, "judge_channels": 2,
    "condition": 4, "timbre_channels": [8], "timbre_strides": [1, 2], "structure_channels": [8],
    "adversary_channels": 8, "unet_channels": [8, 16], "unet_ratios": [1, 2], "unet_heads": 2,
    "unet_embedding": 8, "crop_seconds": 0.2, "sampling_steps": 3,
}  # fmt: skip


def tiny(**changes: object) -> RunConfig:
    settings = {
        "system": "ctd", "steps": 24, "batch": 2, "save_every": 100, "judge_pairs": 0,
        "data": {"pool_blocks": 1}, "model": SIZES,
    }  # fmt: skip
    return parse_config({**settings, **changes}, "test")


@pytest.fixture(scope="module")
def system() -> CTD:
    built = build("ctd", tiny().model, Format(RATE, 3.0, ("one",)), seed=4)
    assert isinstance(built, CTD)
    return built.eval()


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("ctd") / "set", train=(2, 2, 6), seconds=0.6)


def count(*modules: torch.nn.Module) -> float:
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


def test_the_published_sizes() -> None:
    config = load_config(CONFIGS / "ctd.yaml")
    with torch.device("meta"):
        model = CTD(config.model, Format(RATE, 3.0, ("one",)))
    assert count(model.autoencoder.encoder) == pytest.approx(6.0, rel=0.02)
    assert count(model.autoencoder.decoder) == pytest.approx(13.5, rel=0.02)
    assert count(model.adversary) == pytest.approx(0.35, rel=0.02)
    assert count(model.unet) == pytest.approx(46.4, rel=0.02)
    assert config.model.hop == 512
    assert (config.batch, config.optimiser.learning_rate, config.optimiser.ema) == (64, 1e-4, 0.999)


def test_shapes_on_the_way() -> None:
    config = CTDConfig()
    with torch.device("meta"):
        model = CTD(config, Format(RATE, 3.0, ("one",)))
        latents = model.autoencoder.encoder(torch.zeros(2, BANDS, 16 * 64))
        timbre = model.timbre(latents)
        structure = model.structure(torch.zeros(2, BINS, 16))
        made = model.unet(latents, torch.zeros(2), timbre, structure)
        told = model.adversary(structure)
    assert latents.shape == made.shape == (2, 32, 16)
    assert timbre.shape == told.shape == (2, 16)
    assert structure.shape == (2, 16, 16)


def test_the_filter_bank_gives_back_what_it_was_given() -> None:
    bank = PQMF(BANDS)
    noise = np.random.default_rng(1).standard_normal(16_384)
    slide = np.sin(2 * np.pi * np.cumsum(np.linspace(20, 0.49 * RATE, 16_384)) / RATE)
    for clip in (noise, slide):
        clip[:600] = clip[-600:] = 0.0
        audio = torch.from_numpy(clip.astype(np.float32))[None]
        bands = bank.analyse(audio)
        assert bands.shape == (1, BANDS, 2048)
        back = bank.synthesise(bands)
        error = (back - audio).square().mean() / audio.square().mean()
        assert 10 * math.log10(float(error)) < -60.0


def test_each_band_holds_its_part_of_the_spectrum() -> None:
    time = torch.arange(8192) / RATE
    for band in range(BANDS):
        tone = torch.sin(2 * math.pi * (band + 0.5) * RATE / 16 * time)[None]
        energy = PQMF(BANDS).analyse(tone)[0, :, 50:-50].square().mean(-1)
        assert int(energy.argmax()) == band
        assert energy.sum() - energy[band] < 1e-6 * energy[band]


def test_the_constant_q_spectrum_of_sines() -> None:
    time = torch.arange(RATE) / RATE
    for number in (40, 100, 101, 200):
        tone = 0.5 * torch.sin(2 * math.pi * frequencies()[number] * time)[None]
        power = cqt_power(tone, 512, RATE)
        assert power.shape == (1, BINS, -(-RATE // 512))
        middle = power[0, :, 40:46].mean(-1)
        assert int(middle.argmax()) == number
        assert float(middle[number]) == pytest.approx((SCALE * 0.25) ** 2, rel=0.05)
        assert float(middle[number + 3]) < 1e-3 * float(middle[number])
    assert frequencies()[BINS_AN_OCTAVE] == pytest.approx(2 * frequencies()[0])


def test_the_constant_q_spectrum_tells_when() -> None:
    click = torch.zeros(1, RATE)
    click[0, 20 * 512 + 100] = 1.0
    power = cqt_power(click, 512, RATE)[0]
    for octave in range(3, 8):
        assert int(power[octave * BINS_AN_OCTAVE : (octave + 1) * BINS_AN_OCTAVE].sum(0).argmax()) == 20
    low = cqt_power(torch.randn(1, 4000, generator=torch.Generator().manual_seed(1)), 512, 8000)
    assert float(low[:, -BINS_AN_OCTAVE:].abs().max()) == 0.0  # above half the rate there is nothing


def test_the_preconditioned_denoiser_of_gaussian_data_has_no_error_left() -> None:
    """For data N(0, s^2) the ideal denoiser is x s^2 / (s^2 + sigma^2): what `denoise` gives if the network
    gives 0 and sigma_data is s. The weighted loss of that denoiser is then 1 at every noise level."""
    generator = torch.Generator().manual_seed(1)
    clean = 0.65 * torch.randn(200, 400, 1, generator=generator)
    for level in (0.01, 0.5, 10.0):
        sigma = torch.full((200,), level)
        noisy = clean + level * torch.randn(clean.shape, generator=generator)
        made = denoise(lambda x, _: torch.zeros_like(x), noisy, sigma, 0.65)
        torch.testing.assert_close(made, noisy * 0.65**2 / (0.65**2 + level**2))
        assert float(denoising_loss(made, clean, sigma, 0.65)) == pytest.approx(1.0, rel=0.02)


def test_the_sampler_solves_the_gaussian_case() -> None:
    """With that denoiser the flow has a closed form: x(sigma) = m + (x - m) sqrt((s^2 + sigma^2) / (s^2 +
    sigma_max^2)), here with a mean m and a spread s of each dimension's own."""
    config = CTDConfig()
    levels = sigmas(config)
    assert len(levels) == 41
    assert (levels[0], levels[-2], levels[-1]) == (pytest.approx(80.0), pytest.approx(0.002), 0.0)
    mean = torch.tensor([0.5, -1.0, 0.0])[:, None]
    spread = torch.tensor([0.65, 0.1, 2.0])[:, None]

    def ideal(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        power = sigma.square()[:, None, None]
        return (spread**2 * x + power * mean) / (spread**2 + power)

    noise = torch.randn(4, 3, 500, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    made = sample(ideal, noise, levels)
    exact = mean + (80.0 * noise - mean) * spread / (spread**2 + 80.0**2).sqrt()
    assert float(((made - exact).abs() / spread).mean()) < 0.01
    coarse = sample(ideal, noise, sigmas(config.model_copy(update={"sampling_steps": 10})))
    assert float((coarse - exact).abs().max()) > 4.0 * float((made - exact).abs().max())
    torch.testing.assert_close(made.mean((0, 2))[:, None], mean.double(), rtol=0.0, atol=0.15)


def test_guidance_goes_from_nothing_to_timbre_to_both() -> None:
    def told(
        x: torch.Tensor, sigma: torch.Tensor, timbre: torch.Tensor, structure: torch.Tensor
    ) -> torch.Tensor:
        has = (timbre[:, :1] != NONE).float()[..., None], (structure[:, :1] != NONE).float()
        return torch.zeros_like(x) + 1.0 + 10.0 * has[0] + 100.0 * has[1]

    x, sigma = torch.zeros(2, 3, 4), torch.ones(2)
    timbre, structure = torch.zeros(2, 5), torch.zeros(2, 5, 4)
    for weights, value in (((1.0, 1.0), 111.0), ((0.0, 0.0), 1.0), ((2.0, 1.0), 121.0), ((1.0, 3.0), 311.0)):
        made = guided(told, timbre, structure, Guidance(*weights))(x, sigma)
        torch.testing.assert_close(made, torch.full_like(x, value))


def test_the_stages_follow_the_published_shares() -> None:
    config = CTDConfig()
    at = {share: stage_at(share, config) for share in (0.0, 0.09, 0.11, 0.24, 0.26, 0.49)}
    assert all(stage.autoencoder for stage in at.values())
    assert [stage.judged for stage in at.values()] == [False, False, True, True, True, True]
    assert [stage.encoding for stage in at.values()] == [True, True, True, True, False, False]
    later = [stage_at(0.5 + part / 2, config) for part in (0.0, 0.09, 0.11, 0.16, 0.225, 0.31, 1.0)]
    assert not any(stage.autoencoder for stage in later)
    assert [stage.structured for stage in later] == [False, False, True, True, True, True, True]
    assert later[0].confusion is later[2].confusion is None
    assert [stage.confusion for stage in later[3:]] == pytest.approx([0.1 / 15, 0.05, 0.1, 0.1])


def players_of(losses: dict[str, float]) -> set[str]:
    return {name.removesuffix("_gradient") for name in losses if name.endswith("_gradient")}


@pytest.fixture(scope="module")
def whole(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, float]]]:
    """An uninterrupted run through every stage, and its losses step by step."""
    steps: list[dict[str, float]] = []
    out = tmp_path_factory.mktemp("run") / "whole"
    fit(tiny(), layout.root, out, Report(on_step=lambda _, losses, __: steps.append(losses)))
    return out, steps


def test_a_short_run_goes_through_every_stage(whole: tuple[Path, list[dict[str, float]]]) -> None:
    _, steps = whole
    assert all(np.isfinite(list(losses.values())).all() for losses in steps)
    assert [sorted(players_of(losses)) for losses in steps[:2]] == [["autoencoder"]] * 2
    assert {"mel", "multiband", "range"} <= set(steps[0])
    assert players_of(steps[4]) == players_of(steps[11]) == {"autoencoder", "discriminator"}
    assert {"judge", "fooling", "matching"} <= set(steps[11])
    assert "range" not in steps[6]
    assert players_of(steps[12]) == {"diffusion"}
    after = [sorted(players_of(losses))[0] for losses in steps[14:]]
    # Turn 0 was the first diffusion step, so every third one from there on is the adversary's.
    assert after == [("adversary" if turn % 3 == 0 else "diffusion") for turn in range(2, 12)]
    assert {"denoising", "confusion"} <= set(steps[-2]) | set(steps[-1])


def test_the_encoder_is_frozen_at_half(layout: Layout) -> None:
    built = build("ctd", tiny().model, Format(RATE, 3.0, ("one",)))
    assert isinstance(built, CTD)
    batch = built.collate(examples_of(layout, built, 2), {})
    learns = []
    for progress in (0.24, 0.26):
        *_, turn = built.turns(batch, progress)
        weights = [*built.autoencoder.encoder.parameters(), *built.autoencoder.decoder.parameters()]
        gradients = torch.autograd.grad(sum(turn.losses.values()), weights, allow_unused=True)
        inside = len(list(built.autoencoder.encoder.parameters()))
        learns.append([{g is not None for g in part} for part in (gradients[:inside], gradients[inside:])])
    assert learns == [[{True}, {True}], [{False}, {True}]]


def test_killed_in_each_stage_it_goes_on_with_the_same_losses(
    layout: Layout, tmp_path: Path, whole: tuple[Path, list[dict[str, float]]]
) -> None:
    """Thrown out right after a step, before anything of it is saved, in each stage: plain, adversarial,
    frozen, timbre only, structure, adversary. What was lost is done again, with the same losses."""
    seen: dict[int, dict[str, float]] = {}
    times = 0
    for stop in (3, 5, 9, 13, 15, 20, None):

        def note(step: int, losses: dict[str, float], speed: float, stop: int | None = stop) -> None:
            nonlocal times
            times += 1
            assert seen.setdefault(step, losses) == losses
            if step == stop:
                raise KeyboardInterrupt

        try:
            fit(tiny(save_every=2), layout.root, tmp_path / "run", Report(on_step=note))
        except KeyboardInterrupt:
            assert stop is not None
    assert times > 24
    assert [seen[step] for step in sorted(seen)] == whole[1]


def test_latents_are_precomputed_for_every_train_clip(
    layout: Layout, whole: tuple[Path, list[dict[str, float]]]
) -> None:
    """None is left out (the published code trains on a part of the data), each is the encoder's own, and a
    file of another encoder is made again."""
    out, _ = whole
    state = read_state(out / "last.state.pt")
    built = build("ctd", tiny().model, Format(RATE, 3.0, ("one",)))
    assert isinstance(built, CTD)
    built.load_state_dict(state["weights"])
    tables = Tables.open(layout.root)
    written = {path: path.stat().st_mtime_ns for path in (out / "latents").rglob("*.safetensors")}
    assert len(written) == len({block.shard for block in tables.blocks("train")})
    built.prepare(1.0, tables, out)
    assert built.store is not None
    assert written == {path: path.stat().st_mtime_ns for path in written}
    clips = [id for block in tables.blocks("train") for id in block.ids()]
    examples = examples_of(layout, built, len(clips))
    assert {example.target.id for example in examples} == set(clips)
    for example in examples:
        audio = torch.from_numpy(example.target.audio / np.float32(32767))[None]
        with torch.no_grad():
            exact = built.autoencoder.encode(built._whole(audio))[0]
        torch.testing.assert_close(built.store.latents(example.target.id), exact, rtol=2e-3, atol=2e-3)
    assert float(built.spread) == pytest.approx(built.store.spread())
    LatentStore(tables, out / "latents", "another", built._encode_clips)
    assert written != {path: path.stat().st_mtime_ns for path in written}


def test_the_timbre_comes_from_another_clip(
    layout: Layout, whole: tuple[Path, list[dict[str, float]]]
) -> None:
    system, _, _ = load_system(whole[0] / "last.safetensors")
    assert isinstance(system, CTD)
    system.prepare(1.0, Tables.open(layout.root), whole[0])
    assert system.store is not None
    examples = examples_of(layout, system, 12)
    batch = system.collate(examples, {})
    assert batch.latents_BDF is not None
    assert batch.partner_BDF is not None
    for row, example in enumerate(examples):
        target, partner = example.target.id, example.envelope.id
        assert (partner.timbre, partner.envelope) == (target.timbre, target.envelope)
        assert partner.phrase != target.phrase
        torch.testing.assert_close(batch.partner_BDF[row], system.store.latents(partner))
        torch.testing.assert_close(batch.latents_BDF[row], system.store.latents(target))
    system.store = None
    early = system.collate(examples, {})
    for ours, theirs in zip(system._latents_of(early), system._latents_of(batch), strict=True):
        assert torch.equal(ours, theirs)  # one that was put together before there were latents


def test_its_checkpoint_converts_and_always_the_same(whole: tuple[Path, list[dict[str, float]]]) -> None:
    made, _, _ = load_system(whole[0] / "last.safetensors")
    codec = Codec(made.train(), "test")
    first, second = (codec.convert(level * sound(0.7), sound(0.4, 1)).audio for level in (1.0, 0.01))
    assert first.shape == sound(0.7).shape
    np.testing.assert_allclose(first, second, atol=1e-3)
    np.testing.assert_array_equal(first, codec.convert(sound(0.7), sound(0.4, 1)).audio)


@pytest.mark.parametrize(("source", "reference"), [(0.2, 3.1), (1.7, 0.2), (0.33, 0.77)])
def test_source_and_reference_may_differ_in_length(system: CTD, source: float, reference: float) -> None:
    codec = Codec(system, "test")
    made = codec.convert(sound(source), sound(reference, 1))
    assert made.audio.shape == sound(source).shape
    assert np.isfinite(made.audio).all()
    heard = codec.oracle(sound(source))
    assert heard is not None
    assert heard.shape == sound(source).shape


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 48_000])
def test_datasets_of_other_rates(rate: int) -> None:
    built = build("ctd", tiny().model, Format(rate, 3.0, ("one",)), seed=4)
    made = Codec(built, "test").convert(sound(0.7, rate=rate), sound(0.5, 1, rate=rate))
    assert made.audio.shape == sound(0.7, rate=rate).shape


def test_silence_numbers_and_notes(system: CTD) -> None:
    codec = Codec(system, "test")
    assert np.isfinite(codec.convert(np.zeros(RATE, dtype=np.float32), sound(0.5)).audio).all()
    assert np.isfinite(codec.convert(sound(0.5), np.zeros(RATE, dtype=np.float32)).audio).all()
    with pytest.raises(BadInput, match="ctd: takes envelope and octave from recordings only"):
        codec.convert(sound(0.5), envelope=Envelope(10, 100, 0.5, 100))
    with pytest.raises(BadInput, match="ctd: does not tell notes"):
        codec.describe(sound(0.5))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strides": [2, 2]}, "multipliers: expected one more than strides"),
        ({"unet_ratios": [1]}, "unet_ratios: expected as many as unet_channels"),
        ({"unet_heads": 3}, "unet_channels: expected the last two to be multiples of unet_heads"),
        ({"confusion_from": 0.5}, "confusion_full: expected confusion_from or later"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        tiny(model={**SIZES, **changes})


def test_it_trains_from_a_tone_bank(banked: Path, tmp_path: Path) -> None:
    """Whose clips are new ones all the time: there is nothing to store, latents are made batch by batch."""
    steps: list[dict[str, float]] = []
    report = Report(on_step=lambda _, losses, __: steps.append(losses))
    model = {**SIZES, "autoencoder_share": 0.4, "structure_from": 0.0}
    config = tiny(steps=4, batch=1, data={"pool_blocks": 1}, model=model)
    fit(config, banked / "tones", tmp_path / "run", report)
    assert [sorted(players_of(losses))[0] for losses in steps[2:]] == ["adversary", "diffusion"]
    assert not (tmp_path / "run" / "latents").exists()
    made, _, _ = load_system(tmp_path / "run" / "last.safetensors")
    assert isinstance(made, CTD)
    assert 0.0 < float(made.spread) != 1.0


KILLED = """
import os, pathlib, signal, sys
from tests.test_train_ctd import tiny
from train.fit import Report, fit
stop, data, out = int(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
def note(step, losses, speed):
    print(step, sorted(losses.items()), flush=True)
    if step == stop:
        os.kill(os.getpid(), signal.SIGKILL)
fit(tiny(save_every=2), data, out, Report(on_step=note))
"""


@pytest.mark.verify
def test_killed_for_real_in_each_stage(layout: Layout, tmp_path: Path) -> None:
    """kill -9, each time in a process of its own: every step that is told twice is told alike."""
    told: dict[str, str] = {}
    for out, stops in (("whole", (0,)), ("killed", (3, 5, 9, 13, 15, 20, 0))):
        for stop in stops:
            done = subprocess.run(
                [sys.executable, "-c", KILLED, str(stop), str(layout.root), str(tmp_path / out)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == (-signal.SIGKILL if stop else 0), done.stderr
            for line in done.stdout.splitlines():
                step, losses = line.split(" ", 1)
                assert told.setdefault(step, losses) == losses
    assert len(told) == 24
