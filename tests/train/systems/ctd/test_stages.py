"""CTD's training stages: the schedule, trained parts, stored latents, and killed runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.dataset import files
from manifests.dataset.layout import Layout
from tests.support.synthetic_dataset import make_dataset
from tests.support.training import tiny_ctd
from tests.support.training.baseline_systems import RATE, sound, take_examples
from tests.support.training.tiny_ctd import SIZES, STOPS, tiny_config
from train.checkpoint import load_system, read_state
from train.codec.api import Codec
from train.data.tables import Tables
from train.fitting.loop import Callbacks, fit
from train.systems import build
from train.systems.base import Format
from train.systems.ctd.config import CTDConfig
from train.systems.ctd.latents import LatentStore
from train.systems.ctd.stages import stage_at
from train.systems.ctd.system import CTD


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(
        tmp_path_factory.mktemp("ctd") / "set", train=(2, 2, 6), seconds=0.6, blocks_a_shard=1
    )


def test_the_stages_follow_the_published_shares() -> None:
    config = CTDConfig()
    at = {share: stage_at(share, config) for share in (0.0, 0.09, 0.11, 0.24, 0.26, 0.49)}
    assert all(stage.autoencoder for stage in at.values())
    assert [stage.adversarial for stage in at.values()] == [False, False, True, True, True, True]
    assert [stage.trains_encoder for stage in at.values()] == [True, True, True, True, False, False]
    later = [stage_at(0.5 + part / 2, config) for part in (0.0, 0.09, 0.11, 0.16, 0.225, 0.31, 1.0)]
    assert not any(stage.autoencoder for stage in later)
    assert [stage.uses_structure for stage in later] == [False, False, True, True, True, True, True]
    assert later[0].confusion is later[2].confusion is None
    assert [stage.confusion for stage in later[3:]] == pytest.approx([0.1 / 15, 0.05, 0.1, 0.1])


def players_of(losses: dict[str, float]) -> set[str]:
    return {name.removesuffix("_gradient") for name in losses if name.endswith("_gradient")}


@pytest.fixture(scope="module")
def short_run(
    layout: Layout, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, float]]]:
    """Runs every stage without interruption; returns the run and its losses by step."""
    steps: list[dict[str, float]] = []
    out = tmp_path_factory.mktemp("run") / "whole"
    fit(tiny_config(), layout.root, out, Callbacks(on_step=lambda _, losses, __: steps.append(losses)))
    return out, steps


def test_a_short_run_goes_through_every_stage(short_run: tuple[Path, list[dict[str, float]]]) -> None:
    _, steps = short_run
    assert all(np.isfinite(list(losses.values())).all() for losses in steps)
    assert [sorted(players_of(losses)) for losses in steps[:2]] == [["autoencoder"]] * 2
    assert {"mel", "multiband", "range"} <= set(steps[0])
    assert players_of(steps[4]) == players_of(steps[11]) == {"autoencoder", "discriminator"}
    assert {"discriminator", "generator", "feature_matching"} <= set(steps[11])
    assert "range" not in steps[6]
    assert players_of(steps[12]) == {"diffusion"}
    after = [sorted(players_of(losses))[0] for losses in steps[12:]]
    # Turn 0 is the first diffusion step; with an adversary every third turn trains it.
    assert after == [("adversary" if turn in (6, 9) else "diffusion") for turn in range(12)]
    assert "confusion" not in steps[15]
    assert {"denoising", "confusion"} <= set(steps[16])


def test_the_encoder_is_frozen_at_half(layout: Layout) -> None:
    built = build("ctd", tiny_config().model, Format(RATE, 3.0, ("one",)))
    assert isinstance(built, CTD)
    batch = built.collate(take_examples(layout, built, 2), {})
    learns = []
    for progress in (0.24, 0.26):
        *_, turn = built.training_losses(batch, progress)
        weights = [*built.autoencoder.encoder.parameters(), *built.autoencoder.decoder.parameters()]
        gradients = torch.autograd.grad(sum(turn.losses.values()), weights, allow_unused=True)
        inside = len(list(built.autoencoder.encoder.parameters()))
        learns.append([{g is not None for g in part} for part in (gradients[:inside], gradients[inside:])])
    assert learns == [[{True}, {True}], [{False}, {True}]]


def test_a_run_interrupted_in_each_stage_resumes_with_the_same_losses(
    layout: Layout,
    tmp_path: Path,
    short_run: tuple[Path, list[dict[str, float]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Interrupts each stage before its first checkpoint. Lost steps are repeated with the same
    losses; stored latents are not computed again."""
    losses_by_step: dict[int, dict[str, float]] = {}
    times = 0
    store, replace = tmp_path / "run" / "latents", files.replace
    for stop in (*STOPS, None):

        def note(step: int, losses: dict[str, float], speed: float, stop: object = stop) -> None:
            nonlocal times
            times += 1
            assert losses_by_step.setdefault(step, losses) == losses
            if step == stop:
                raise KeyboardInterrupt

        def once(path: Path, data: bytes) -> None:
            replace(path, data)
            if store in path.parents:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            if stop == "latents":
                patched.setattr(files, "replace", once)
            try:
                fit(tiny_config(save_every=2), layout.root, tmp_path / "run", Callbacks(on_step=note))
            except KeyboardInterrupt:
                assert stop is not None
        if stop == "latents":
            (first,) = store.rglob("*.safetensors")
            made = first.stat().st_mtime_ns
    assert times > 24
    assert [losses_by_step[step] for step in sorted(losses_by_step)] == short_run[1]
    assert first.stat().st_mtime_ns == made
    assert len(list(store.rglob("*.safetensors"))) == 2


def test_latents_are_precomputed_for_every_train_clip(
    layout: Layout, short_run: tuple[Path, list[dict[str, float]]]
) -> None:
    """No clip is left out, unlike in the published code. Each latent is the encoder's own.

    A file of another encoder is computed again.
    """
    out, _ = short_run
    state = read_state(out / "last.state.pt")
    built = build("ctd", tiny_config().model, Format(RATE, 3.0, ("one",)))
    assert isinstance(built, CTD)
    built.load_state_dict(state["weights"])
    tables = Tables.open(layout.root)
    written = {path: path.stat().st_mtime_ns for path in (out / "latents").rglob("*.safetensors")}
    assert len(written) == len({block.shard for block in tables.blocks("train")})
    built.prepare(1.0, tables, out)
    assert built.store is not None
    assert written == {path: path.stat().st_mtime_ns for path in written}
    clips = [id for block in tables.blocks("train") for id in block.ids()]
    examples = take_examples(layout, built, len(clips))
    assert {example.target.id for example in examples} == set(clips)
    for example in examples:
        audio = torch.from_numpy(example.target.audio / np.float32(32767))[None]
        with torch.no_grad():
            exact = built.autoencoder.encode(built._pad_clips(audio))[0]
        torch.testing.assert_close(built.store.latents(example.target.id), exact, rtol=2e-3, atol=2e-3)
    assert float(built.spread) == pytest.approx(built.store.spread())
    LatentStore(tables, out / "latents", "another", built._encode_clips)
    assert written != {path: path.stat().st_mtime_ns for path in written}


def test_the_timbre_comes_from_another_clip(
    layout: Layout, short_run: tuple[Path, list[dict[str, float]]]
) -> None:
    system, _, _ = load_system(short_run[0] / "last.safetensors")
    assert isinstance(system, CTD)
    system.prepare(1.0, Tables.open(layout.root), short_run[0])
    assert system.store is not None
    examples = take_examples(layout, system, 12)
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
    for first, second in zip(system._latents_of(early), system._latents_of(batch), strict=True):
        assert torch.equal(first, second)  # a batch collated before latents were stored


def test_its_checkpoint_converts_deterministically(short_run: tuple[Path, list[dict[str, float]]]) -> None:
    made, _, _ = load_system(short_run[0] / "last.safetensors")
    codec = Codec(made.train(), "test")
    first, second = (codec.convert(level * sound(0.7), sound(0.4, 1)).audio for level in (1.0, 0.01))
    assert first.shape == sound(0.7).shape
    np.testing.assert_allclose(first, second, atol=1e-3)
    np.testing.assert_array_equal(first, codec.convert(sound(0.7), sound(0.4, 1)).audio)


def test_it_trains_from_a_tone_bank(banked: Path, tmp_path: Path) -> None:
    """A bank's clips are always new, so that latents are computed batch by batch and not stored."""
    steps: list[dict[str, float]] = []
    report = Callbacks(on_step=lambda _, losses, __: steps.append(losses))
    model = {**SIZES, "autoencoder_share": 0.4, "structure_from": 0.0, "confusion_from": 0.1}
    config = tiny_config(steps=4, batch=1, data={"pool_blocks": 1}, model=model)
    fit(config, banked / "tones", tmp_path / "run", report)
    assert [sorted(players_of(losses))[0] for losses in steps[2:]] == ["adversary", "diffusion"]
    assert not (tmp_path / "run" / "latents").exists()
    made, _, _ = load_system(tmp_path / "run" / "last.safetensors")
    assert isinstance(made, CTD)
    assert 0.0 < float(made.spread) != 1.0


@pytest.mark.verify
def test_a_process_killed_in_each_stage_resumes(layout: Layout, tmp_path: Path) -> None:
    """Kills a process with SIGKILL in each stage. Repeated steps print the same losses."""
    outputs: dict[str, str] = {}
    for out, stops in (("whole", ("none",)), ("killed", (*STOPS, "none"))):
        for stop in stops:
            done = subprocess.run(
                [sys.executable, "-m", tiny_ctd.__name__, str(stop), layout.root, tmp_path / out],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == (0 if stop == "none" else -signal.SIGKILL), done.stderr
            for line in done.stdout.splitlines():
                step, losses = line.split(" ", 1)
                assert outputs.setdefault(step, losses) == losses
    assert len(outputs) == 24
