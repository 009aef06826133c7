"""Real clusters on localhost: Dask, Ray and job arrays give the same bytes as one process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import commands, datasets

OLD_CPU = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3 X86_V3 X86_V4"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running_module(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a Python module as its own process group, and ends it on exit."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def dask_worker(address: str, **environment: str):  # type: ignore[no-untyped-def]
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
    return running_module("distributed.cli.dask_worker", address, *options, **environment)


@pytest.fixture
def scheduler() -> Iterator[str]:
    """Starts a Dask scheduler without workers."""
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    with running_module("distributed.cli.dask_scheduler", *options):
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def rendering(root: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    run = subprocess.Popen(
        [sys.executable, "-m", "render", "run", str(root), *options], stderr=subprocess.PIPE, text=True
    )
    try:
        yield run
    finally:
        run.kill()
        run.wait()


def wait_for_first_shard(root: Path, run: subprocess.Popen[str]) -> None:
    """Waits until the first shard is committed."""
    while run.poll() is None and not list((root / "clips").rglob("*.parquet")):
        time.sleep(0.05)


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    commands.succeed("render", "plan", datasets.write_config(tmp_path), "--out", tmp_path / "dataset")
    return tmp_path / "dataset"


def test_dask_gives_the_same_bytes_though_a_worker_is_killed_and_one_refuses(
    tiny: Path, planned: Path, scheduler: str
) -> None:
    with (
        dask_worker(scheduler) as victim,
        dask_worker(scheduler),
        dask_worker(scheduler, NPY_DISABLE_CPU_FEATURES=OLD_CPU),
        rendering(planned, "--backend", "dask", "--address", scheduler) as run,
    ):
        wait_for_first_shard(planned, run)
        os.killpg(victim.pid, signal.SIGKILL)
        _, message = run.communicate(timeout=240)
    assert run.returncode == 0, message
    assert "refuses work" in message
    assert "platform class" in message
    assert datasets.file_hashes(planned) == datasets.file_hashes(tiny)


@pytest.mark.verify
def test_if_all_workers_refuse_the_run_ends_with_a_one_line_error(planned: Path, scheduler: str) -> None:
    with dask_worker(scheduler, NPY_DISABLE_CPU_FEATURES=OLD_CPU):
        done = commands.run("render", "run", planned, "--backend", "dask", "--address", scheduler)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "found no worker" in errors[0]
    assert not (planned / "blocks.parquet").exists()


def test_ray_gives_the_same_bytes_though_a_worker_is_killed(
    tiny: Path, planned: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ray = Path(sys.executable).with_name("ray")
    port = free_port()
    folder = Path("/tmp") / f"triptych-ray-{os.getpid()}"
    head = subprocess.Popen(
        [
            *(str(ray), "start", "--head", "--block", "--num-cpus", "2", "--node-ip-address", "127.0.0.1"),
            *("--port", str(port), "--include-dashboard", "false", "--disable-usage-stats"),
            *("--object-store-memory", "80000000", "--temp-dir", str(folder)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"127.0.0.1:{port}"
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert head.poll() is None
                time.sleep(0.2)
        time.sleep(3)
        with rendering(planned, "--backend", "ray", "--address", address) as run:
            wait_for_first_shard(planned, run)
            victims = ray_workers(head.pid)
            assert victims or run.poll() is not None
            for worker in victims[:1]:
                os.kill(worker, signal.SIGKILL)
            _, message = run.communicate(timeout=240)
        assert run.returncode == 0, message
        assert datasets.file_hashes(planned) == datasets.file_hashes(tiny)
    finally:
        head.terminate()
        try:
            head.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()


def ray_workers(head: int) -> list[int]:
    """Returns the processes below a Ray head that run actors of a pool."""
    import psutil

    below = psutil.Process(head).children(recursive=True)
    return [p.pid for p in below if "PoolActor" in " ".join(p.cmdline())]


def test_an_array_of_jobs_gives_the_same_bytes(tiny: Path, planned: Path) -> None:
    shares = [("--task-index", str(index), "--task-count", "4") for index in range(4)]
    command = [sys.executable, "-m", "render", "run", str(planned)]
    jobs = [subprocess.Popen([*command, *share], stderr=subprocess.DEVNULL) for share in shares]
    assert [job.wait(timeout=240) for job in jobs] == [0, 0, 0, 0]
    assert datasets.file_hashes(planned) == datasets.file_hashes(tiny)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task-index", "4", "--task-count", "0"), "expected an index from 0 and a count from 1"),
        (("--backend", "dask"), "needs --address"),
        (("--address", "tcp://127.0.0.1:1"), "goes with --backend"),
    ],
)
def test_contradictory_options_give_a_one_line_error(
    planned: Path, options: tuple[str, ...], message: str
) -> None:
    done = commands.run("render", "run", planned, *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
