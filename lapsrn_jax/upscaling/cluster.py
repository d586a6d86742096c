"""Enlarges many pictures on a Ray cluster: a worker for each device, a task for each picture.

The workers read and write the pictures. The driver only distributes names and collects reports.
"""

import collections
import itertools
import logging
import os
import queue
import re
import socket
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import PIL.Image
import ray
import tqdm
from ray.exceptions import RayError, RayTaskError

from lapsrn_jax.errors import UserError
from lapsrn_jax.upscaling.batch import Outcome, Report, one_line, say_above_bars
from lapsrn_jax.upscaling.jobs import STREAM, Job, find_jobs
from lapsrn_jax.upscaling.picture import identity, input_error
from lapsrn_jax.upscaling.settings import Settings
from lapsrn_jax.upscaling.storage import as_address, find_jobs_at, is_address
from lapsrn_jax.upscaling.worker import Keeper, Network, Resources, Worker

_CPUS = 4  # of a worker without a GPU
_THREADS = 64  # of a worker: more than any device needs, and one to stop it
_LOSSES = 3  # workers that are lost with a picture before it counts as the reason
_PATIENCE = 30  # seconds in which workers stop


def find_jobs_for_cluster(
    inputs: Sequence[str], output: str, suffix: str | None = None, tag: str = ""
) -> tuple[list[Job], list[str]]:
    """Does the same as `find_jobs`, or as `find_jobs_at` if one of the inputs or the output is an address.

    Raises:
      UserError: as `find_jobs`, or the output is not a folder.
    """
    if STREAM in (*inputs, output):
        raise UserError("--ray takes no standard input or output: give files, folders or addresses")
    if any(map(is_address, (*inputs, output))):
        return find_jobs_at(inputs, output, suffix, tag)
    jobs, left_out = find_jobs(inputs, output, suffix, tag)
    if jobs[0].target == output:
        raise UserError(f"--ray writes to folders: give a folder instead of {output}, such as {output}/")
    return jobs, left_out


def upscale_on_cluster(
    jobs: Sequence[Job],
    network: Network,
    settings: Settings,
    output: str,
    address: str | None = None,
    *,
    kind: str | None = None,
    max_memory: int | None = None,
) -> Generator[Report, None, None]:
    """Does the same as `upscale_all` on a Ray cluster.

    Reports come in the order in which pictures are finished. If a worker is lost, others do its pictures, and a new one
    takes its place when the cluster has room for it. A picture that was complete when its worker was lost is reported
    as skipped.

    Args:
      jobs: the jobs from `find_jobs` or `find_jobs_at`.
      network: a function from a memory limit in bytes, or None, to the network. Each worker calls it.
      settings: the settings of the batch.
      output: the folder or the address of the results.
      address: the address of the cluster; None for one that Ray finds, or else this machine.
      kind: "cpu" or "cuda"; None for GPUs if the cluster has any.
      max_memory: memory limit in bytes of each worker; None for its share of what is free.

    Raises:
      UserError: there is no cluster at the address, it has no such devices, no worker can start, or a disk is full.
    """
    output = as_address(output) if is_address(jobs[0].target) else os.path.abspath(output)
    inputs = {_identity(job.source) for job in jobs} - {None}
    ahead, taken, remaining = iter(map(_Task, jobs)), list[_Task](), len(jobs)
    with (
        _connected(address),
        tqdm.tqdm(total=len(jobs), unit="picture", desc="enlarging", disable=None, dynamic_ncols=True) as bar,
        _Pool(network, settings, output, kind, max_memory) as pool,
    ):
        while remaining:
            ended: tuple[_Task, Outcome | None] | None
            if pool.free and (task := next(ahead, None) or (taken.pop() if taken else None)):
                if _identity(task.job.target) not in inputs:
                    pool.submit(task)
                    continue
                ended = task, ({"status": "failed", "error": input_error(task.job)}, False)
            else:
                ended = pool.ended()
            if not ended:
                continue
            task, outcome = ended
            if not outcome:  # another command has it
                taken.append(task._replace(wait=True))
                continue
            (report, full), remaining = outcome, remaining - 1
            if "note" in report:
                say_above_bars(f"{task.job.target}: {report['note']}")
            if "error" in report and len(jobs) > 1:
                say_above_bars(f"failed: {report['error']}")
            bar.update()
            yield task.job._asdict() | report | task.job._asdict()
            if full:
                raise UserError(f"{report['error']}: free some space and run the same command again")


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Connects this process to a cluster until the end of the context."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its makers
    try:
        if address and (place := re.fullmatch(r"([^/]+):(\d+)", address)):
            socket.create_connection((place[1], int(place[2])), timeout=10).close()  # Ray would try for minutes
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)  # of JAX, which Ray's programs do not use
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # of many types
        raise UserError(f"cannot connect to {address or 'a Ray cluster'}: {one_line(error)}") from None
    try:
        yield
    finally:
        ray.shutdown()


class _Task(NamedTuple):
    """A picture to do.

    Attributes:
      job: the picture and its result.
      wait: whether to wait for another command that is working on it.
      losses: the number of workers that were lost with it.
    """

    job: Job
    wait: bool = False
    losses: int = 0


class _Pool:
    """The workers.

    Ray can restart a lost worker and repeat its tasks, but they would wait for ever if its machine is lost for good.
    The pool therefore gives them to other workers. Since each may be the reason for the loss, these do nothing else at
    the time.

    Attributes:
      free: the numbers of the workers that can take a picture, each as often as it can take one.
    """

    def __init__(
        self, network: Network, settings: Settings, output: str, kind: str | None, max_memory: int | None
    ) -> None:
        resources, keeper = _resources(kind), None
        if not is_address(output):
            keeper = ray.remote(Keeper).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote(output)
        actor: Any = ray.remote(Worker)
        self._actor = actor.options(max_concurrency=_THREADS, **resources.options)
        self._arguments = (
            resources, ray.put((network, settings)), output, keeper, max_memory, PIL.Image.MAX_IMAGE_PIXELS,
        )  # fmt: skip
        self.free = collections.deque[int]()
        self._workers: dict[int, Any] = {}
        self._places: dict[int, int] = {}  # of each worker that has started
        self._numbers = itertools.count()
        self._ended: queue.SimpleQueue[tuple[int, int, _Task | None, ray.ObjectRef]] = queue.SimpleQueue()
        self._suspects: list[_Task] = []
        for _ in range(resources.workers):
            self._start()

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: object) -> None:
        """Lets the workers remove what is half-written, then ends them.

        The workers know what they are doing: an interrupt may have come just after a picture was given to one.
        """
        if stops := [self._workers[number].stop.remote() for number in self._places]:
            ray.wait(stops, num_returns=len(stops), timeout=_PATIENCE)
        for worker in self._workers.values():
            ray.kill(worker)

    def submit(self, task: _Task) -> None:
        """Gives a picture to a free worker."""
        self._submit(self.free.popleft(), 1, task)

    def ended(self) -> tuple[_Task, Outcome | None] | None:
        """Waits until something has happened. If a task has ended, returns it and what `Work.do` returned."""
        if self._suspects:
            self._submit_suspects()
        number, places, task, result = self._ended.get()
        try:
            outcome: Any = ray.get(result)
        except RayTaskError as error:
            if not task:
                self._lose(number, f"a worker cannot start: {one_line(error.cause)}")
                return None
            outcome = {"status": "failed", "error": one_line(error.cause)}, False
        except RayError as error:
            self._lose(number, f"a worker was lost: {str(error).strip().splitlines()[-1]}")
            if not task:
                return None
            task = task._replace(losses=task.losses + 1)
            if task.losses < _LOSSES:
                self._suspects.append(task)
                return None
            reason = f"{task.job.source}: {_LOSSES} workers were lost with it, perhaps for want of memory"
            return task, ({"status": "failed", "error": reason}, False)
        if not task:
            self._places[number] = places = outcome
        if number in self._places:
            self.free.extend([number] * places)
        return (task, outcome) if task else None

    def _start(self) -> None:
        number = next(self._numbers)
        self._workers[number] = self._actor.remote(*self._arguments)
        self._watch(number, 0, None, self._workers[number].start.remote())

    def _submit(self, number: int, places: int, task: _Task) -> None:
        job = Job(*(name if is_address(name) else os.path.abspath(name) for name in task.job))
        result = self._workers[number].upscale.remote(job, task.wait)
        self._watch(number, places, task, result)

    def _submit_suspects(self) -> None:
        """Gives suspects to workers that do nothing else."""
        for number, free in collections.Counter(self.free).items():
            if self._suspects and free == self._places[number]:
                self.free = collections.deque(other for other in self.free if other != number)
                self._submit(number, free, self._suspects.pop())

    def _watch(self, number: int, places: int, task: _Task | None, result: ray.ObjectRef) -> None:
        """Adds a task to `_ended` when it ends. `ray.wait` would look at all that are running each time."""
        result.future().add_done_callback(lambda _: self._ended.put((number, places, task, result)))

    def _lose(self, number: int, reason: str) -> None:
        """Starts another worker in place of a lost one, unless that has never worked."""
        if not (worker := self._workers.pop(number, None)):
            return
        ray.kill(worker)  # it may only be out of reach
        self.free = collections.deque(other for other in self.free if other != number)
        if self._places.pop(number, None):
            self._start()
        else:
            say_above_bars(reason)
        if not self._workers:
            raise UserError(f"no worker is left ({reason}): Ray's logs on their machines, in /tmp/ray, say more")


def _resources(kind: str | None) -> Resources:
    """Returns the resources of the connected cluster. The arguments and errors are as in `upscale_on_cluster`."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus, cpus = ([int(machine.get(name, 0)) for machine in machines] for name in ("GPU", "CPU"))
    if kind != "cpu" and any(gpus):
        return Resources("cuda", sum(gpus), {"num_gpus": 1, "num_cpus": 0}, neighbours=max(gpus))
    if kind == "cuda" or not any(cpus):
        raise UserError(f"the Ray cluster has no {'GPUs' if kind == 'cuda' else 'GPUs and no CPUs'} to work on")
    each = min([_CPUS, *filter(None, cpus)])
    return Resources("cpu", sum(number // each for number in cpus), {"num_cpus": each}, cpus=each)


def _identity(name: str) -> Any:
    return name if is_address(name) else identity(name)
