"""Runs tasks on local processes, a Dask cluster or a Ray cluster, all through joblib's backends.

A task is idempotent and never raises. A dead worker therefore loses only its current task. Dask reschedules
such a task itself; with the other backends the round ends, and unanswered tasks are submitted again.
A machine that refuses returns its task. With Dask it gets no further tasks.
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
from render.execution.tasks import DatasetRef, TaskFault, TaskRefusal

Backend = Literal["loky", "dask", "ray"]
MAX_EMPTY_ROUNDS = 5
"""A run ends after this many consecutive rounds without a result."""
CONNECT_S = 30
RAY_TASKS_A_CPU = 8
WORKERS_S = 120
"""Seconds to wait for a cluster's first worker."""


class Executor(Protocol):
    """A backend that runs tasks."""

    def round(self, avoid: set[str]) -> Parallel:
        """Returns a joblib Parallel for one round that uses no worker named in `avoid`."""

    def batch_size_of(self, tasks: int) -> int:
        """Returns how many of `tasks` waiting tasks one round submits."""

    def lost(self, error: Exception) -> str | None:
        """Returns a message if the error means that a worker died, else None."""


@dataclass(frozen=True)
class Local:
    """Runs tasks in joblib's loky processes on this machine, or in this process if `workers` is 1."""

    workers: int = 1

    def round(self, avoid: set[str]) -> Parallel:
        return Parallel(n_jobs=self.workers, batch_size=1, return_as="generator_unordered")

    def batch_size_of(self, tasks: int) -> int:
        return tasks

    def lost(self, error: Exception) -> str | None:
        if isinstance(error, TerminatedWorkerError):
            raise MachineFault(
                "a worker process was killed (out of memory?); finished shards are kept: run again to go on"
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
    """Runs tasks on the workers of a Dask cluster, which reschedules a dead worker's task itself."""

    client: Any

    def round(self, avoid: set[str]) -> Parallel:
        fit = [
            address for address in self.client.scheduler_info(n_workers=-1)["workers"] if address not in avoid
        ]
        # With no worker to avoid, workers that join later take part as well.
        only = {"workers": fit} if avoid and fit else {}
        backend = _cluster_only()(client=self.client, wait_for_workers_timeout=WORKERS_S, **only)
        with parallel_config(backend=backend):
            return Parallel(n_jobs=-1, batch_size=1, return_as="generator_unordered")

    def batch_size_of(self, tasks: int) -> int:
        return tasks

    def lost(self, error: Exception) -> str | None:
        from distributed import KilledWorker

        return str(error) if isinstance(error, KilledWorker) else None


@dataclass(frozen=True)
class Ray:
    """Runs tasks on the CPUs of a Ray cluster, with one actor per CPU for each round."""

    def round(self, avoid: set[str]) -> Parallel:
        with parallel_config(backend="ray"):
            return Parallel(n_jobs=-1, batch_size=1)

    def batch_size_of(self, tasks: int) -> int:
        # Ray's backend returns results at the end of a round. Short rounds report a fault early.
        import ray

        return min(tasks, RAY_TASKS_A_CPU * max(1, int(ray.cluster_resources().get("CPU", 1))))

    def lost(self, error: Exception) -> str | None:
        from ray.exceptions import RayActorError, WorkerCrashedError

        return str(error) if isinstance(error, RayActorError | WorkerCrashedError) else None


@contextmanager
def open_executor(backend: Backend, workers: int, address: str | None) -> Iterator[Executor]:
    """Connects to the executor that the user chose.

    Raises InputError if its package is not installed, if `address` is missing or not applicable, or if no
    scheduler answers there.
    """
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
    """Submits tasks to an executor until each has a result.

    `notify` receives a line about each worker that died or refused. `results` raises MachineFault on the
    first fault, and after MAX_EMPTY_ROUNDS rounds without a result.
    """

    executor: Executor
    notify: Callable[[str], None]
    refusals: set[str] = field(default_factory=set)
    avoid: set[str] = field(default_factory=set)
    """Addresses of Dask workers that refused a task."""

    def results(
        self, task: Callable[..., Any], ref: DatasetRef, items: Sequence[Any]
    ) -> Iterator[tuple[int, Any]]:
        """Yields (index, result) of each item in order of completion.

        Raises MachineFault if a task reports a fault, or if no worker accepts the tasks.
        """
        left = dict.fromkeys(range(len(items)))
        empty_rounds, lost = 0, ""
        while left:
            before = len(left)
            queue = list(left)[: self.executor.batch_size_of(len(left))]
            calls = (delayed(_placed)(place, task, ref, items[place]) for place in queue)
            try:
                for place, answer in self.executor.round(self.avoid)(calls):
                    if isinstance(answer, TaskFault):
                        raise MachineFault(answer.line)
                    if isinstance(answer, TaskRefusal):
                        self._note(answer)
                        continue
                    del left[place]
                    yield place, answer
            except MachineFault:
                raise
            except Exception as error:
                message = self.executor.lost(error)
                if message is None:
                    raise
                lost = f"workers die on them ({_short(message)})"
                self.notify("a worker died; its task is submitted again")
            empty_rounds = empty_rounds + 1 if len(left) == before else 0
            if empty_rounds == MAX_EMPTY_ROUNDS:
                why = "; ".join([*sorted(self.refusals), *([lost] if lost else [])])
                raise MachineFault(f"{len(left)} tasks found no worker: {why}")

    def _note(self, refused: TaskRefusal) -> None:
        if refused.line not in self.refusals:
            self.refusals.add(refused.line)
            self.notify(f"refuses work: {refused.line}")
        self.avoid |= {refused.worker} - {""}


def _placed(place: int, task: Callable[..., Any], ref: DatasetRef, item: Any) -> tuple[int, Any]:
    return place, task(ref, item)
