"""Training on several devices: real processes over gloo give the results of one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from manifests.dataset.layout import Layout
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.baseline_systems import SYNTHCLONER
from tests.support.training.distributed_run import train_and_record
from tests.support.training.short_runs import SETTINGS
from tests.support.training.tiny_ctd import SIZES as CTD
from train.checkpoint import read_state

BATCH, PARTS = 4, 2
CONFIG: dict[str, Any] = {
    **SETTINGS, "steps": 5, "batch": BATCH, "micro_batch": BATCH // PARTS, "validation_pairs": 0,
    "save_every": 2, "log_every": 100, "data": {"pool_blocks": 2, "threads": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", train=(4, 2, 4), seconds=0.8)


def write_config(path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump({**CONFIG, **changes}))
    return path


def environment(**more: str) -> dict[str, str]:
    """Returns this process's environment with a free port and one thread per rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        **more,
    }


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", *(str(argument) for argument in arguments)]


def notes(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("rank-*.json"))]


def step_keys(ranks: list[dict[str, Any]], step: int) -> list[str]:
    """Returns the keys of step number `step` of a run, in the order of the stream."""
    own = PARTS // len(ranks)
    parts = [ranks[part % len(ranks)]["parts"][step * own + part // len(ranks)] for part in range(PARTS)]
    return [parts[place % PARTS][place // PARTS] for place in range(BATCH)]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Limits torch to the threads of one of several devices."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def alone(layout: Layout, tmp_path: Path, one_thread: None) -> Path:
    """Trains five steps on one device, and records its keys and losses."""
    return train_on_one_device(tmp_path / "alone", layout)


def train_on_one_device(folder: Path, layout: Layout, **changes: object) -> Path:
    folder.mkdir()
    train_and_record(
        write_config(folder / "run.yaml", **changes), layout.root, folder / "run", folder / "notes"
    )
    return folder


def check_equals_one_device(alone: Path, out: Path, ranks: list[dict[str, Any]], first: int) -> None:
    """Checks that the run of `ranks`, from step `first` on, equals that of one device."""
    (one,) = notes(alone / "notes")
    for step in range(first, 5):
        assert step_keys(ranks, step - first) == step_keys([one], step)
        expected = ranks[0]["losses"][str(step + 1)]
        for name, value in one["losses"][str(step + 1)].items():
            assert expected[name] == pytest.approx(value, rel=1e-4, abs=1e-4), (step, name)
    single, several = (read_state(run / "last.state.pt") for run in (alone / "run", out))
    for name, value in single["weights"].items():
        torch.testing.assert_close(several["weights"][name], value, rtol=1e-3, atol=1e-4)


def test_two_devices_equal_one_from_the_start_and_resumed(
    alone: Path, layout: Layout, tmp_path: Path
) -> None:
    """One device trains two steps and is stopped. Two devices resume and reach the same weights."""
    out = tmp_path / "run"
    train_and_record(write_config(tmp_path / "one.yaml"), layout.root, out, tmp_path / "one", stop_after=2)
    assert read_state(out / "last.state.pt")["step"] == 2
    config = write_config(tmp_path / "two.yaml", devices=2)
    command = program("tests.support.training.distributed_run", config, layout.root, out, tmp_path / "two")
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ranks = notes(tmp_path / "two")
    assert len(ranks) == 2
    assert ranks[1]["losses"] == {}
    check_equals_one_device(alone, out, ranks, first=2)


@pytest.mark.verify
def test_the_reference_trains_equally_on_one_and_two_devices(
    layout: Layout, tmp_path: Path, one_thread: None
) -> None:
    """The published code did not wrap discriminators and codec for DDP: each device trained its own."""
    changes = {"system": "synthcloner", "model": {**SYNTHCLONER, "adversarial_from": 0.4}}
    alone = train_on_one_device(tmp_path / "alone", layout, **changes)
    config, out = write_config(tmp_path / "two.yaml", **changes, devices=2), tmp_path / "run"
    command = program("tests.support.training.distributed_run", config, layout.root, out, tmp_path / "two")
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ranks = notes(tmp_path / "two")
    assert {"discriminator", "generator", "feature_matching"} <= set(ranks[0]["losses"]["5"])
    check_equals_one_device(alone, out, ranks, first=0)


def test_ctd_prepares_its_second_stage_equally_on_one_and_two_devices(
    layout: Layout, tmp_path: Path, one_thread: None
) -> None:
    """The first device writes the latents of all clips, and the second reads them."""
    changes = {"system": "ctd", "model": CTD}
    alone = train_on_one_device(tmp_path / "alone", layout, **changes)
    config, out = write_config(tmp_path / "two.yaml", **changes, devices=2), tmp_path / "run"
    command = program("tests.support.training.distributed_run", config, layout.root, out, tmp_path / "two")
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert list((out / "latents").rglob("*.safetensors"))
    one, two = (read_state(run / "last.state.pt") for run in (alone / "run", out))
    assert one["step"] == two["step"] == 5
    for name, value in one["weights"].items():
        torch.testing.assert_close(two["weights"][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.verify
def test_two_machines_equal_one(alone: Path, layout: Layout, tmp_path: Path) -> None:
    """Simulates two machines of one device each: the command is started twice, with each NODE_RANK."""
    config, out = write_config(tmp_path / "run.yaml", num_nodes=2), tmp_path / "run"
    command = program("tests.support.training.distributed_run", config, layout.root, out, tmp_path / "notes")
    shared = environment()
    machines = [subprocess.Popen(command, env={**shared, "NODE_RANK": str(node)}) for node in range(2)]
    assert [machine.wait(timeout=300) for machine in machines] == [0, 0]
    check_equals_one_device(alone, out, notes(tmp_path / "notes"), first=0)


def test_sigterm_to_the_command_stops_all_its_devices_and_saves(layout: Layout, tmp_path: Path) -> None:
    config = write_config(tmp_path / "run.yaml", steps=100_000, save_every=100_000, devices=2)
    out = tmp_path / "run"
    process = subprocess.Popen(
        program("train", "fit", config, "--data", layout.root, "--out", out),
        env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out / "config.yaml").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, message
    assert "2 x cpu, 32-true; batch of 4 examples in 2 micro-batch(es) of 2" in message
    assert message.count("run the same command again to go on") == 1
    assert read_state(out / "last.state.pt")["step"] >= 1
