"""Where tasks run: processes of this machine, a Dask cluster, a Ray cluster. All through joblib's backends.

A task is idempotent and never raises, so a worker that dies costs what it was at. Where the engine does
not give that work to another worker itself, the round ends and what has no answer yet is offered anew.
A machine that refuses gives its task back, and with Dask it gets no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from manifests.types import InputError
from render.clips.dataset import MachineFault
from render.execution.tasks import Fault, Refused, Where

Backend = Literal["loky", "dask", "ray"]
FRUITLESS = 5
"""So many rounds that bring nothing end a run."""
CONNECT_S = 30
RAY_TASKS_A_CPU = 8
WORKERS_S = 120
"""How long a cluster may take until its first worker is there."""


class Executor(Protocol):
    """One kind of place where tasks run."""

    def round(self, avoid: set[str]) -> Parallel:
        """A joblib Parallel for one round, on no worker named in `avoid`."""

    def at_once(self, tasks: int) -> int:
        """How many of so many tasks a round takes."""

    def lost(self, error: Exception) -> str | None:
        """What to tell if the error means that a worker died; None if it means something else."""


@dataclass(frozen=True)
class Local:
    """joblib's loky: worker processes of this machine; with one worker, this process itself."""

    workers: int = 1

    def round(self, avoid: set[str]) -> Parallel:
        return Parallel(n_jobs=self.workers, batch_size=1, return_as="generator_unordered")

    def at_once(self, tasks: int) -> int:
        return tasks

    def lost(self, error: Exception) -> str | None:
        if isinstance(error, TerminatedWorkerError):
            raise MachineFault(
                "a worker process was killed (out of memory?); whole shards are kept: run again to go on"
            ) from None
        return None


def _cluster_only() -> type[Any]:
    """joblib's Dask backend; where the cluster has one worker, joblib would work in this process instead."""
    from joblib._dask import DaskDistributedBackend

    class ClusterOnly(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int = 1) -> int:
            return max(2, int(super().effective_n_jobs(n_jobs)))

    return ClusterOnly


@dataclass(frozen=True)
class Dask:
    """The workers of a Dask cluster. It gives a dead worker's task to another by itself."""

    client: Any

    def round(self, avoid: set[str]) -> Parallel:
        fit = [
            address for address in self.client.scheduler_info(n_workers=-1)["workers"] if address not in avoid
        ]
        # Without anybody to avoid, workers that join later may take part too.
        only = {"workers": fit} if avoid and fit else {}
        backend = _cluster_only()(client=self.client, wait_for_workers_timeout=WORKERS_S, **only)
        with parallel_config(backend=backend):
            return Parallel(n_jobs=-1, batch_size=1, return_as="generator_unordered")

    def at_once(self, tasks: int) -> int:
        return tasks

    def lost(self, error: Exception) -> str | None:
        from distributed import KilledWorker

        return str(error) if isinstance(error, KilledWorker) else None


@dataclass(frozen=True)
class Ray:
    """The CPUs of a Ray cluster, one actor each, held for a round."""

    def round(self, avoid: set[str]) -> Parallel:
        with parallel_config(backend="ray"):
            return Parallel(n_jobs=-1, batch_size=1)

    def at_once(self, tasks: int) -> int:
        # Ray's backend answers when a round is over: short rounds, so that a fault is told early.
        import ray

        return min(tasks, RAY_TASKS_A_CPU * max(1, int(ray.cluster_resources().get("CPU", 1))))

    def lost(self, error: Exception) -> str | None:
        from ray.exceptions import RayActorError, WorkerCrashedError

        return str(error) if isinstance(error, RayActorError | WorkerCrashedError) else None


@contextmanager
def open_executor(backend: Backend, workers: int, address: str | None) -> Iterator[Executor]:
    """The executor a user asked for, connected. InputError where it is not installed or not there."""
    if backend == "loky":
        if address is not None:
            raise InputError("--address: goes with --backend dask or ray")
        yield Local(workers)
        return
    if address is None:
        raise InputError(f"--backend {backend}: needs --address, such as {EXAMPLES[backend]}")
    with (_dask if backend == "dask" else _ray)(address) as executor:
        yield executor


EXAMPLES = {"dask": "tcp://scheduler:8786", "ray": "head-node:6379"}


@contextmanager
def _dask(address: str) -> Iterator[Dask]:
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise InputError("--backend dask: needs `pip install 'triptych-audio[dask]'`") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"--address {address}: no Dask scheduler answers ({_short(error)})") from None
    try:
        yield Dask(client)
    finally:
        client.close(timeout=5)


@contextmanager
def _ray(address: str) -> Iterator[Ray]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ModuleNotFoundError:
        raise InputError("--backend ray: needs `pip install 'triptych-audio[ray]'`") from None
    try:
        ray.init(address=address, logging_level=logging.CRITICAL, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"--address {address}: no Ray cluster answers ({_short(error)})") from None
    register_ray()
    try:
        yield Ray()
    finally:
        ray.shutdown()


def _short(error: object) -> str:
    return " ".join(str(error).split())[:160]


@dataclass
class TaskQueue:
    """Tasks on an executor, offered until each has its answer. Faults and endless refusals stop it."""

    executor: Executor
    say: Callable[[str], None]
    refusals: set[str] = field(default_factory=set)
    avoid: set[str] = field(default_factory=set)
    """Dask addresses of workers that refused."""

    def answers(
        self, task: Callable[..., Any], where: Where, items: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        """(place, answer) of each item, in the order in which they come."""
        left = dict.fromkeys(range(len(items)))
        fruitless, lost = 0, ""
        while left:
            before = len(left)
            offered = list(left)[: self.executor.at_once(len(left))]
            calls = (delayed(_placed)(place, task, where, items[place]) for place in offered)
            try:
                for place, answer in self.executor.round(self.avoid)(calls):
                    if isinstance(answer, Fault):
                        raise MachineFault(answer.line)
                    if isinstance(answer, Refused):
                        self._note(answer)
                        continue
                    del left[place]
                    yield place, answer
            except MachineFault:
                raise
            except Exception as error:
                told = self.executor.lost(error)
                if told is None:
                    raise
                lost = f"workers die on them ({_short(told)})"
                self.say("a worker died; what it was at is offered again")
            fruitless = fruitless + 1 if len(left) == before else 0
            if fruitless == FRUITLESS:
                why = "; ".join([*sorted(self.refusals), *([lost] if lost else [])])
                raise MachineFault(f"{len(left)} tasks found no worker: {why}")

    def _note(self, refused: Refused) -> None:
        if refused.line not in self.refusals:
            self.refusals.add(refused.line)
            self.say(f"refuses work: {refused.line}")
        self.avoid |= {refused.worker} - {""}


def _placed(place: int, task: Callable[..., Any], where: Where, item: Any) -> tuple[int, Any]:
    return place, task(where, item)
