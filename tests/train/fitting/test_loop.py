"""Runs and checkpoints: losses fall, a stopped run goes on bit for bit, what does not fit is refused."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from manifests.dataset.layout import Layout
from manifests.types import InputError
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.short_runs import SETTINGS, equal, settings
from train.checkpoint import (
    load_system,
    metadata_of,
    read_metadata,
    read_state,
    read_weights,
    save_weights,
    start_from,
)
from train.codec.api import load_codec
from train.config import load_config
from train.fitting.loop import Report, fit
from train.fitting.schedule import Average, rate_factor
from train.systems import build
from train.systems.base import Format


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", train=(4, 2, 4), seconds=0.8)


@pytest.fixture(scope="module")
def finished(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "whole"
    outcome = fit(settings(), layout.root, out)
    assert (outcome.step, outcome.interrupted) == (6, False)
    return out


def test_training_lowers_the_losses(layout: Layout, tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []
    optimiser = {"warmup_steps": 2, "learning_rate": 3e-3}
    config = settings(steps=18, judge_pairs=0, save_every=100, optimiser=optimiser)
    fit(config, layout.root, tmp_path / "run", Report(on_step=lambda step, losses, s: seen.append(losses)))
    for name in ("stft", "onset", "pitch", "envelope", "envelope_curve"):
        first, last = (np.mean([row[name] for row in rows]) for rows in (seen[:4], seen[-4:]))
        assert last < first, name
    assert {"judge", "fooling", "matching"} <= set(seen[-1])
    assert not {"judge", "fooling"} & set(seen[0])


def test_a_stopped_run_goes_on_bit_for_bit(layout: Layout, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    def stop(step: int, losses: dict[str, float], speed: float) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    outcome = fit(settings(), layout.root, out, Report(on_step=stop))
    assert (outcome.step, outcome.interrupted) == (4, True)
    # Another number of the loader's threads makes no difference.
    outcome = fit(settings(data={"pool_blocks": 2, "threads": 5}), layout.root, out)
    assert (outcome.step, outcome.interrupted) == (6, False)
    assert equal(out / "last.safetensors", finished / "last.safetensors")
    state, whole = (read_state(folder / "last.state.pt") for folder in (out, finished))
    for name, value in whole["weights"].items():
        assert torch.equal(value, state["weights"][name]), name


def test_a_run_out_of_time_finishes_its_schedule(layout: Layout, tmp_path: Path) -> None:
    rates: list[float] = []

    def watch(step: int, losses: dict[str, float], speed: float) -> None:
        rates.append(speed)

    outcome = fit(settings(steps=100_000, minutes=0.03), layout.root, tmp_path / "run", Report(on_step=watch))
    assert not outcome.interrupted
    assert 1 <= outcome.step == len(rates) < 100_000
    assert (tmp_path / "run" / "best.safetensors").exists()
    assert fit(settings(steps=100_000, minutes=0.03), layout.root, tmp_path / "run").step == outcome.step


def test_checkpoint_goes_round(finished: Path, layout: Layout) -> None:
    system, config, metadata = load_system(finished / "best.safetensors")
    assert config == settings()
    assert metadata["system"] == "triptych"
    assert system.format.timbres == ("additive 0", "additive 1", "additive 2", "additive 3")
    weights, _ = read_weights(finished / "best.safetensors")
    for name, value in system.state_dict().items():
        assert torch.equal(value, weights[name])


def test_a_run_is_not_continued_with_another_config_or_dataset(
    finished: Path, layout: Layout, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"another config \(batch: 5 != 4\)"):
        fit(settings(batch=5), layout.root, finished)
    other = make_dataset(tmp_path / "other", train=(4, 2, 4), seconds=0.8, rate=8000)
    other.dataset_json.write_text(
        other.dataset_json.read_text().replace('"fingerprint": "test"', '"fingerprint": "x"')
    )
    with pytest.raises(InputError, match="another dataset"):
        fit(settings(), other.root, finished)


def test_damaged_checkpoints_are_refused_by_name(finished: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.safetensors"
    with pytest.raises(InputError, match=r"none\.safetensors: no such checkpoint"):
        load_codec(missing)
    good = finished / "best.safetensors"
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(good.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"torn\.safetensors: not a whole safetensors file"):
        load_codec(torn)
    weights, metadata = read_weights(good)
    plain = tmp_path / "plain.safetensors"
    save_weights(plain, weights, {})
    with pytest.raises(InputError, match=r"plain\.safetensors: checkpoint format None"):
        load_codec(plain)
    for change, what in (
        ({"rate": "0"}, "rate 0 Hz"),
        ({"rate": "x"}, "invalid literal"),
        ({"cut_fade_ms": "nan"}, "cut fade nan ms"),
        ({"timbres": "{"}, "Expecting property name"),
        ({"timbres": "3"}, "not iterable"),
        ({"config": "[]"}, "config: expected settings"),
        ({"step": "soon"}, "invalid literal"),
    ):
        save_weights(plain, weights, {**metadata, **change})
        with pytest.raises(InputError, match=rf"plain\.safetensors: its metadata are .*{what}"):
            read_metadata(plain)
    for field in metadata.keys() - {"triptych_checkpoint"}:
        save_weights(plain, weights, {key: value for key, value in metadata.items() if key != field})
        with pytest.raises(InputError, match=f"plain.safetensors: its metadata are .*no '{field}'"):
            load_codec(plain)
    name = "encoder.enter.weight"
    short = tmp_path / "short.safetensors"
    save_weights(short, {key: value for key, value in weights.items() if key != name}, metadata)
    with pytest.raises(InputError, match=f"short.safetensors: weight '{name}' is missing"):
        load_codec(short)
    save_weights(short, {**weights, name: weights[name][:3]}, metadata)
    with pytest.raises(InputError, match=f"weight '{name}' has shape"):
        load_codec(short)
    save_weights(short, {**weights, name: weights[name] * float("nan")}, metadata)
    with pytest.raises(InputError, match=f"weight '{name}' is not finite"):
        load_codec(short)


class Evil:
    """Something that would make a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_state_that_would_run_code_is_refused(finished: Path, tmp_path: Path) -> None:
    path, trap = tmp_path / "last.state.pt", tmp_path / "trap"
    for content in (
        pickle.dumps(Evil(trap), protocol=2),
        b"",
        (finished / "last.state.pt").read_bytes()[:1000],
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"last\.state\.pt: not a whole training state"):
            read_state(path)
    torch.save({"a": Evil(trap)}, path)
    with pytest.raises(InputError, match="not a whole training state"):
        read_state(path)
    assert not trap.exists()


def test_a_run_starts_from_the_weights_of_another(finished: Path, layout: Layout, tmp_path: Path) -> None:
    """Fine-tuning, at another rate: other timbres get a class head of their own, all else stays."""
    best = finished / "best.safetensors"
    other = make_dataset(tmp_path / "other", train=(6, 2, 4), seconds=0.8, seed=9, rate=32_000)
    config = settings(steps=1, judge_pairs=0, start_from=str(best), optimiser={"learning_rate": 1e-9})
    fit(config, other.root, tmp_path / "run")
    ours, theirs = read_weights(tmp_path / "run" / "last.safetensors")[0], read_weights(best)[0]
    assert ours["timbre_head.weight"].shape[0] == 6
    for name in theirs:
        if not name.startswith("timbre_head."):
            torch.testing.assert_close(ours[name], theirs[name], atol=1e-6, rtol=0, msg=name)
    model = {**SETTINGS["model"], "decoder_width": 32}  # type: ignore[dict-item]
    with pytest.raises(InputError, match=r"best\.safetensors: weight 'decoder\..* has shape"):
        fit(settings(start_from=str(best), model=model), other.root, tmp_path / "wide")
    with pytest.raises(InputError, match=r"none\.safetensors: no such checkpoint"):
        fit(settings(start_from="none.safetensors"), other.root, tmp_path / "none")


def test_only_what_names_timbres_begins_anew(tmp_path: Path) -> None:
    """Also where another layer has just as many rows as there are timbres on both sides: eight here."""
    theirs, ours = (
        build("triptych", settings().model, Format(44_100, 3.0, tuple(f"{side} {i}" for i in range(8))), seed)
        for seed, side in ((1, "their"), (2, "our"))
    )
    path, own = tmp_path / "theirs.safetensors", {n: w.clone() for n, w in ours.state_dict().items()}
    save_weights(path, theirs.state_dict(), metadata_of(settings(), theirs, 1, "x"))
    start_from(ours, path)
    assert ours.timbre_encoder.leave.weight.shape[0] == ours.timbre_head.weight.shape[0] == 8
    for name, weight in ours.state_dict().items():
        begun = own if name.startswith("timbre_head.") else theirs.state_dict()
        assert torch.equal(weight, begun[name]), name


def test_half_a_checkpoint_is_refused(finished: Path, layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes((finished / "last.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"last\.state\.pt: missing"):
        fit(settings(), layout.root, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"setps": 3}, "setps: unknown setting"),
        ({"batch": 0}, "batch: .*greater than or equal to 1, got 0"),
        ({"model": {"harmonix": 3}}, "model.harmonix: unknown setting"),
        ({"model": {"harmonics": 7}}, "model.harmonics: .*, got 7"),
        ({"optimiser": {"ema": 1.0}}, "optimiser.ema: .*, got 1.0"),
        ({"system": "wavenet"}, r"run\.yaml: system 'wavenet': expected one of triptych"),
        ({"precision": "fp8"}, "precision: "),
    ],
)
def test_configs_that_say_something_wrong_are_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({"steps": 1, **changes}))
    with pytest.raises(InputError, match=message):
        load_config(path)


def test_configs_that_are_no_config_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    for text in ("- 1", "a: [", "{}"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"run\.yaml: "):
            load_config(path)
    with pytest.raises(InputError, match="no such config"):
        load_config(tmp_path / "none.yaml")


def test_shipped_configs_are_whole() -> None:
    for path in sorted(Path("configs/train").glob("*.yaml")):
        assert load_config(path).steps > 0


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    config = settings(optimiser={"warmup_steps": 10, "decay": 0.5}).optimiser
    factors = [rate_factor(step, step / 100, config) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10:50] == [1.0] * 40
    assert factors[75] == pytest.approx(0.5)
    assert factors[100] == 0.0


def test_average_follows_the_weights() -> None:
    module = torch.nn.Linear(2, 2)
    average = Average(module, 0.9)
    target = torch.full((2, 2), 5.0)
    module.weight.data.copy_(target)
    for step in range(200):
        average.update(module, step)
    torch.testing.assert_close(average.weights["weight"], target, atol=1e-3, rtol=0.0)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "train", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_convert_says_what_it_converts_and_refuses_what_it_cannot(finished: Path, tmp_path: Path) -> None:
    checkpoint = finished / "best.safetensors"
    time_s = np.arange(24_000) / 24_000
    tone = 0.5 * np.sin(2 * np.pi * 262.0 * time_s) * (time_s > 0.1)
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone, tone], axis=1), 24_000)
    (tmp_path / "text.wav").write_text("this is no audio")
    out = tmp_path / "out.wav"
    done = run(
        "convert", "--checkpoint", checkpoint, "--source", tmp_path / "stereo.wav", "--out", out,
        "--attack-ms", 12.5, "--release-ms", 40,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "stereo.wav: 2 channels, mixed to mono" in done.stderr
    assert "stereo.wav: 24000 Hz, resampled to 44100 Hz" in done.stderr
    assert "attack 12.5 ms" in done.stdout
    assert "release 40.0 ms" in done.stdout
    audio, rate = soundfile.read(out)
    assert (rate, audio.shape) == (44_100, (44_100,))
    for arguments, message in (
        (["--source", tmp_path / "text.wav"], "text.wav: not a readable audio file"),
        (["--source", tmp_path / "none.wav"], "none.wav: no such file"),
        (["--source", tmp_path / "stereo.wav", "--take", "timbre"], "--take: needs a --reference"),
        (
            ["--source", tmp_path / "stereo.wav", "--reference", tmp_path / "stereo.wav", "--take", "pitch"],
            "expected timbre, envelope or timbre,envelope",
        ),
    ):
        done = run("convert", "--checkpoint", checkpoint, "--out", tmp_path / "never.wav", *arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert message in done.stderr
    assert not (tmp_path / "never.wav").exists()
