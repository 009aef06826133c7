"""Runs tasks on local processes, a Dask cluster or a Ray cluster.

Local processes and Ray are reached through joblib, Dask through its own client.
A task is idempotent and never raises. A dead worker therefore loses only its current task. Dask reschedules
such a task itself; with the other backends the round ends, and unanswered tasks are submitted again.
A machine that refuses returns its task. With Dask it gets no further tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from joblib import Parallel, delayed, parallel_config

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

    def round(
        self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], avoid: set[str]
    ) -> Generator[Any, None, None]:
        """Calls `function` with each tuple of arguments, on no worker named in `avoid`.

        Yields the results in order of completion. Raises what a worker's death raises; see `lost`.
        """

    def batch_size_of(self, tasks: int) -> int:
        """Returns how many of `tasks` waiting tasks one round submits."""

    def lost(self, error: Exception) -> str | None:
        """Returns a message if the error means that a worker died, else None."""


@dataclass(frozen=True)
class Local:
    """Runs tasks in joblib's loky processes on this machine, or in this process if `workers` is 1."""

    workers: int = 1

    def round(
        self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], avoid: set[str]
    ) -> Generator[Any, None, None]:
        parallel = Parallel(n_jobs=self.workers, batch_size=1, return_as="generator_unordered")
        yield from parallel(delayed(function)(*given) for given in arguments)

    def batch_size_of(self, tasks: int) -> int:
        return tasks

    def lost(self, error: Exception) -> str | None:
        if isinstance(error, BrokenProcessPool):
            raise MachineFault(
                "a worker process was killed (out of memory?); finished shards are kept: run again to go on"
            ) from None
        return None


@dataclass(frozen=True)
class Dask:
    """Runs tasks on the workers of a Dask cluster, which reschedules a dead worker's task itself.

    It uses the client directly. joblib's Dask backend runs all tasks in this process if the cluster has one
    worker with one thread.
    """

    client: Any

    def round(
        self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], avoid: set[str]
    ) -> Generator[Any, None, None]:
        from distributed import as_completed

        try:
            self.client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError:
            raise MachineFault(f"the Dask cluster has no worker after {WORKERS_S} s") from None
        fit = [
            address for address in self.client.scheduler_info(n_workers=-1)["workers"] if address not in avoid
        ]
        # With no worker to avoid, workers that join later take part as well.
        only = {"workers": fit} if avoid and fit else {}
        futures = [self.client.submit(function, *given, pure=False, **only) for given in arguments]
        try:
            for _, result in as_completed(futures, loop=self.client.loop, with_results=True):
                yield result
        finally:
            self.client.cancel(futures)

    def batch_size_of(self, tasks: int) -> int:
        return tasks

    def lost(self, error: Exception) -> str | None:
        from distributed import KilledWorker

        return str(error) if isinstance(error, KilledWorker) else None


@dataclass(frozen=True)
class Ray:
    """Runs tasks on the CPUs of a Ray cluster, with one actor per CPU for each round."""

    def round(
        self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], avoid: set[str]
    ) -> Generator[Any, None, None]:
        with parallel_config(backend="ray"):
            results = Parallel(n_jobs=-1, batch_size=1)(delayed(function)(*given) for given in arguments)
        yield from results

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
            calls = [(place, task, ref, items[place]) for place in queue]
            try:
                with closing(self.executor.round(_placed, calls, self.avoid)) as answers:
                    for place, answer in answers:
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
